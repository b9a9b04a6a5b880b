"""What travels with a batch of photos from the data workers through the model to the metric.

mmmask's modules pass on one object for the whole batch, MMPretrain's a list of one ``DataSample``
a photo. The two meet here: a :class:`SampleBatch` is also a sequence of its photos, cut out of it
when somebody asks for them, and :func:`stacked` and :func:`put` read and write a column of either.
"""

from collections import UserDict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

import torch
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.nn import functional

from mmmask.errors import InputError
from mmmask.labels import OLDEST

#: What is meta information of a single photo, as MMPretrain packs it.
META = ("sample_idx", "img_path", "num_classes")
#: What a batch knows of its photos.
LEARNED = (
    *("gt_label", "fits", "gt_score", "age", "age_span", "age_score"),
    *("person", "weight"),
)


class SampleBatch(DataSample):
    """The annotations and predictions of a whole batch as tensors, one object instead of N.

    It stands for MMPretrain's list of N data samples: ``len``, indices and iteration give the
    photos, each with ``pred_label`` where there is ``pred_score``. What is changed in a photo is
    changed in the batch, as ``get``, ``in`` and :func:`stacked` tell.

    Shape:
        ``sample_idx``: (N,) int64, row of the photo in the dataset's samples table.
        ``img_path``: N paths, absent where a photo has none.
        ``gt_label``: (N,) int64, -1 where several classes fit what is known; absent where labels
            are unknown.
        ``fits``: (N, 18) bool, the classes that agree with what is known of the photo; present
            where the dataset has a photo with several.
        ``gt_score``: (N, 18) float, soft labels: of a teacher, and after Mixup or CutMix.
        ``age``: (N,) int64 years, -1 where unknown; absent where nobody's is known.
        ``age_span``: (N, 2) int64, first and last year that the age may be, 0 and 120 where it is
            unknown; present where the dataset has a photo whose age is a range.
        ``age_score``: (N, 121) float, share of each age in years, beside ``gt_score`` where ages
            are known.
        ``person``: (N,) int64, code of the person within the dataset, -1 where unknown; absent
            where nobody's is known.
        ``weight``: (N,) float32, weight of the photo in the loss; absent means 1.
        ``shares``: (N, N) float32, after Mixup or CutMix of photos with ``fits`` or ``age_span``:
            the share of each photo, by column, in each mixed photo. All fields before are then
            those of the photos before mixing; see :func:`unmixed`.
        ``pred_score``: (N, 18) float32 probabilities; (N, 3) or (N, 2) of a model of one
            attribute, whose name is then the meta information ``attribute``.
        ``pred_years``: (N, 121) float32 probabilities of the ages 0 to 120, where modelled.
    """

    def pin_memory(self) -> "SampleBatch":
        """Return the batch in page-locked memory; torch's DataLoader asks for it by this name."""
        pinned = self.new()
        for name, value in self.items():
            pinned.set_field(value.pin_memory() if isinstance(value, Tensor) else value, name)
        return pinned

    def __len__(self) -> int:
        if (photos := self.__dict__.get("_photos")) is not None:
            return len(photos)
        return len(next(iter(self.values()), ()))

    def __iter__(self) -> Iterator[DataSample]:
        return iter(self._cut())

    @overload
    def __getitem__(self, index: int) -> DataSample: ...
    @overload
    def __getitem__(self, index: slice) -> list[DataSample]: ...
    def __getitem__(self, index: int | slice) -> DataSample | list[DataSample]:
        return self._cut()[index]

    def keys(self) -> list:
        if "_photos" in self.__dict__:
            self._join()
        return super().keys()

    def get(self, key: str, default: Any = None) -> Any:
        if "_photos" in self.__dict__:
            self._join()
        return super().get(key, default)

    def __contains__(self, item: str) -> bool:
        if "_photos" in self.__dict__:
            self._join()
        return super().__contains__(item)

    def set_field(self, *args: Any, **kwargs: Any) -> None:
        if "_photos" in self.__dict__:
            self._join()
        super().set_field(*args, **kwargs)

    def _cut(self) -> list[DataSample]:
        """Return the photos, the same ones until the batch is used as one again."""
        if "_photos" not in self.__dict__:
            columns = _Columns(dict(self.items()), self.metainfo, len(self))
            photos = [UncutPhoto.__new__(UncutPhoto) for _ in range(columns.count)]
            for row, photo in enumerate(photos):
                photo.__dict__["_place"] = columns, row
            self.__dict__["_photos"] = photos
        return self.__dict__["_photos"]

    def _join(self) -> None:
        """Take over what was changed in the photos; nothing can have been in those uncut."""
        photos = self.__dict__.pop("_photos")
        if all(type(photo) is UncutPhoto for photo in photos):
            return
        names = dict.fromkeys(name for photo in photos for name in photo.all_keys())
        for name in {*self.keys()} - {*names}:
            self.pop(name)
        for name in names:
            if name not in self.metainfo_keys():  # else the whole batch's
                self.set_field(_column([photo.get(name) for photo in photos]), name)


class _Columns:
    """What a batch held when it was cut: columns by name, and meta information of all photos."""

    def __init__(self, data: dict[str, Any], metainfo: dict[str, Any], count: int) -> None:
        self.data, self.metainfo, self.count = data, metainfo, count

    @cached_property
    def with_labels(self) -> dict[str, Any]:
        """The columns, and the label that the scores predict."""
        if "pred_score" not in self.data:
            return self.data
        return {**self.data, "pred_label": self.data["pred_score"].argmax(dim=1)}

    def row(self, row: int) -> dict[str, Any]:
        """Return all of one photo: a score (C,), a label (1,), meta information in plain Python."""
        values = dict(self.metainfo)
        for name, column in self.with_labels.items():
            value = column[row]
            if isinstance(value, Tensor):
                value = value.item() if name in META else torch.atleast_1d(value)
            if value is not None:
                values[name] = value
        return values


class UncutPhoto(DataSample):
    """A photo of a batch; at the first look into it, it becomes a plain ``DataSample``.

    So a batch of which only our metric reads costs next to nothing.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cut(), name)

    def __delattr__(self, name: str) -> None:
        delattr(self._cut(), name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._cut().__reduce_ex__(protocol)

    def new(self, **kwargs: Any) -> DataSample:
        return self._cut().new(**kwargs)

    def clone(self) -> DataSample:
        return self._cut().clone()

    def keys(self) -> list:
        columns, _ = self.__dict__["_place"]
        predicted = {"pred_label"} if "pred_score" in columns.data else set()
        return [*{*columns.data, *predicted}.difference(META)]

    def to_dict(self) -> "UncutFields":
        return UncutFields(*self.__dict__["_place"])

    def _cut(self) -> DataSample:
        columns, row = self.__dict__.pop("_place")
        object.__setattr__(self, "__class__", DataSample)  # not a field
        DataSample.__init__(self)
        for name, value in columns.row(row).items():
            meta = name in META or name in columns.metainfo
            self.set_field(value, name, field_type="metainfo" if meta else "data")
        return self


class UncutFields(UserDict):
    """The fields of a photo of a batch as a dict, which is filled when it is first read."""

    def __init__(self, columns: _Columns, row: int) -> None:
        self.columns, self.row = columns, row

    @cached_property
    def data(self) -> dict[str, Any]:  # type: ignore[override]
        return self.columns.row(self.row)


def joined(fields: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return what an evaluator gives to a metric with all photos of one batch as one mapping.

    Its values are the columns of the :class:`SampleBatch`. Other photos stay as they are.
    """
    columns = getattr(fields[0], "columns", None)
    if columns is None or len(fields) != columns.count:
        return fields
    if not all(getattr(photo, "columns", None) is columns for photo in fields):
        return fields
    return [{**columns.metainfo, **columns.data}]


def _column(values: Sequence[Any]) -> Any:
    """Return the values of N photos as a tensor, (N,) or (N, C); as a list where that is none."""
    if all(isinstance(value, int) for value in values):
        return torch.tensor(values)
    if not all(isinstance(value, Tensor) for value in values):
        return list(values)
    if len({value.shape for value in values}) > 1:
        return list(values)
    return torch.stack(list(values)).reshape(len(values), -1).squeeze(1)


def stacked(data_samples: Sequence[DataSample], name: str) -> Tensor | None:
    """Return a field of all photos, (N,) or (N, C); None where the first has none.

    Args:
        data_samples: A :class:`SampleBatch` or MMPretrain's list of N data samples.
        name: Of a field that has one value, or C of them, in each photo.

    Raises:
        InputError: The photos have different numbers of values.
    """
    if isinstance(data_samples, SampleBatch):
        return data_samples.get(name)
    if name not in data_samples[0]:
        return None
    column = _column([torch.as_tensor(sample.get(name)) for sample in data_samples])
    if not isinstance(column, Tensor):
        raise InputError(f"{name} must have the same number of values in each photo of a batch")
    return column


def put(data_samples: Sequence[DataSample], name: str, values: Tensor) -> None:
    """Set a field of all photos, (N,) or (N, C); with ``pred_score`` also ``pred_label``.

    Raises:
        ValueError: There are more or fewer values than photos.
    """
    if isinstance(data_samples, SampleBatch):
        data_samples.set_field(values, name)
        return
    for sample, value in zip(data_samples, values, strict=True):
        if name == "pred_score":
            sample.set_pred_score(value).set_pred_label(value.argmax())
        else:
            sample.set_field(torch.atleast_1d(value), name)


def drop(data_samples: Sequence[DataSample], name: str) -> None:
    """Remove a field of all photos, where they have it."""
    whole = [data_samples] if isinstance(data_samples, SampleBatch) else data_samples
    for sample in whole:
        sample.pop(name, None)


def put_metainfo(data_samples: Sequence[DataSample], **metainfo: Any) -> None:
    """Set meta information of all photos."""
    whole = [data_samples] if isinstance(data_samples, SampleBatch) else data_samples
    for sample in whole:
        sample.set_metainfo(metainfo)


def stack_targets(data_samples: Sequence[DataSample]) -> Tensor:
    """Return the training target of the batch.

    Shape:
        (N,) labels; (N, C) shares, where they are soft; (N, C) bool, which classes fit, where the
        labels of some photos are partly known.

    Raises:
        InputError: The photos have no label.
    """
    for name in ("gt_score", "fits", "gt_label"):
        if (target := _beside_target(data_samples, name)) is not None:
            return target
    raise InputError("each photo to learn from must have gt_label or gt_score; got neither")


def stack_ages(data_samples: Sequence[DataSample]) -> Tensor:
    """Return the share of each age in years in each photo, a row of zeros where it is unknown.

    A photo has a share of 1 at its age, unless it was mixed or a teacher says more. Mixing two
    photos, one of unknown age, leaves the share of the known one; the rest of the row is missing.
    An age of which only a range is known has no share: see :func:`stack_age_spans`.

    Shape:
        (N, 121), the ages 0 to 120.

    Raises:
        InputError: The photos have no ages, or were mixed without them.
    """
    shares, ages = _beside_target(data_samples, "age_score"), _beside_target(data_samples, "age")
    if shares is not None:
        return shares
    spans = stack_age_spans(data_samples)
    if ages is None and spans is not None:
        return torch.zeros(len(spans), OLDEST + 1, device=spans.device)
    if ages is None or stacked(data_samples, "gt_score") is not None:
        raise InputError(
            "a model of years needs the photos' age in years (column age of the samples); "
            f"got {'none' if ages is None else 'mixed photos with unmixed ages'}"
        )
    shares = functional.one_hot(ages.clamp(0, OLDEST).long(), OLDEST + 1)
    return (shares * (ages >= 0)[:, None]).float()


def stack_age_spans(data_samples: Sequence[DataSample]) -> Tensor | None:
    """Return the first and the last year that each age may be, (N, 2); None: no age is a range."""
    return _beside_target(data_samples, "age_span")


def unmixed(
    feats: tuple[Tensor, ...], data_samples: Sequence[DataSample]
) -> tuple[tuple[Tensor, ...], Sequence[DataSample]]:
    """Return one row for each photo that a mixed photo shows, where photos are partly known.

    A class that fits one of two mixed photos cannot be mixed with one that fits the other. So the
    loss of a mixed photo is the mix of its losses with what is known of the one and of the other:
    its feature stands here with each of them, and their shares are weights.

    Args:
        feats: The last entry is (N, D).
        data_samples: Of the N mixed photos; without ``shares``, both are returned as they are.

    Returns:
        The pooled feature (M, D), and a batch of the M pairs of a mixed photo and one that it
        shows. ``weight`` is share times weight of the photo.
    """
    shares = _beside_target(data_samples, "shares")
    if shares is None:
        return feats, data_samples
    mixed, shown = shares.reshape(len(shares), -1).nonzero(as_tuple=True)
    pairs = SampleBatch()
    for name in LEARNED:
        if (column := _beside_target(data_samples, name)) is not None:
            pairs.set_field(column[shown], name)
    weight = shares[mixed, shown]
    pairs.weight = weight * pairs.weight if "weight" in pairs else weight
    return (feats[-1][mixed],), pairs


def stack_people(data_samples: Sequence[DataSample]) -> Tensor:
    """Return the code of each photo's person, (N,) integers, -1 where unknown.

    Raises:
        InputError: The photos have no codes: nobody knew them, or they were mixed.
    """
    people = _beside_target(data_samples, "person")
    if people is None:
        raise InputError(
            "head.agreement needs photos of one person each (column person of the samples); got "
            "none or mixed ones"
        )
    return people


def stack_weights(data_samples: Sequence[DataSample]) -> Tensor | None:
    """Return the photos' loss weights (N,), or None where all weigh 1."""
    return _beside_target(data_samples, "weight")


def _beside_target(data_samples: Sequence[DataSample], name: str) -> Tensor | None:
    """Return a field on the device of the labels: MMPretrain's preprocessor moves these alone."""
    column = stacked(data_samples, name)
    label = stacked(data_samples, "gt_label")
    return column if column is None or label is None else column.to(label.device)
