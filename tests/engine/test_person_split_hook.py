import numpy as np
import pandas as pd
import pytest
from mmpretrain.registry import DATASETS
from tiny_engine import TinyFaces, tiny_config, train, without_validation

from mmmask.engine.hooks.person_split_hook import check_disjoint, split_table
from mmmask.errors import InputError
from mmmask.labels import decode, to_bits


def people(*names: str | None) -> pd.DataFrame:
    size = len(names)
    columns = {"person": names, "gender": ["male"] * size, "age": range(20, 20 + size)}
    return pd.DataFrame({"image": [f"{row}.jpg" for row in range(size)], **columns})


def test_a_person_on_both_sides_is_refused_by_name_and_number():
    check_disjoint(people("a", "b"), people("c"))
    with pytest.raises(InputError, match=r"got 1 in both, such as b$"):
        check_disjoint(people("a", "b"), people("b", "c"))
    names = [str(person) for person in range(9)]
    with pytest.raises(InputError, match=r"got 9 in both, such as 0, 1, 2, \.\.\.$"):
        check_disjoint(people(*names), people(*reversed(names)))


def test_photos_without_a_known_person_are_no_leak():
    check_disjoint(people("a", None), people("b", None))


def test_the_table_has_one_row_a_person():
    table = split_table(people("a", "a", "b"), people("c"))
    assert table.to_dict("list") == {
        "person": ["a", "b", "c"],
        "part": ["train", "train", "val"],
        "gender": ["male"] * 3,
        "age": [20, 22, 20],
        "photos": [2, 1, 1],
    }


def test_what_the_samples_do_not_tell_of_a_person_is_missing():
    table = split_table(people("a", "b").drop(columns=["gender", "age"]), None)
    assert table["photos"].tolist() == [1, 1]
    assert table[["gender", "age"]].isna().all(axis=None)


def with_split_check(tmp_path):
    config = tiny_config(tmp_path, epochs=1)
    config.custom_hooks = [{"type": "PersonSplitHook"}]
    return config


def test_a_run_writes_its_split(tmp_path):
    train(with_split_check(tmp_path))
    table = pd.read_csv(tmp_path / "split.csv")
    assert table["part"].value_counts().to_dict() == {"train": 20, "val": 12}
    assert table["photos"].sum() == 64


def test_a_run_on_everybody_writes_its_split(tmp_path):
    train(without_validation(with_split_check(tmp_path)))
    assert set(pd.read_csv(tmp_path / "split.csv")["part"]) == {"train"}


def test_a_leak_stops_the_run_before_its_first_step(tmp_path):
    config = with_split_check(tmp_path)
    config.val_dataloader.dataset.people = "train"
    with pytest.raises(InputError, match="12 in both, such as train0, train1, train10"):
        train(config)
    assert not list(tmp_path.glob("*.pth"))
    assert not (tmp_path / "split.csv").exists()


@DATASETS.register_module()
class FacesOfKnownMask(TinyFaces):
    """Of these photos nothing but the mask is known."""

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        masks = decode(np.arange(18))["mask"]
        fits = masks == decode(self.labels)["mask"][:, None]
        unknown = pd.array([None] * len(fits), dtype="Int8")
        self.samples = self.samples.assign(label=unknown, fits=pd.array(to_bits(fits), "Int32"))


def with_known_masks_held_out(tmp_path, best, stop, plateau):
    config = with_split_check(tmp_path)
    config.val_dataloader.dataset.type = "FacesOfKnownMask"
    config.val_evaluator = {"type": "TinyFaceMetric"}
    config.default_hooks.checkpoint.save_best = best
    config.custom_hooks.append({"type": "ResumableEarlyStoppingHook", "monitor": stop})
    config.param_scheduler.append({"type": "ReduceOnPlateauLR", "monitor": plateau})
    return config


MASK = "mask_accuracy"


@pytest.mark.parametrize(
    ("best", "stop", "plateau", "message"),
    [
        ("macro_f1", MASK, MASK, "checkpoint.save_best is 'macro_f1', .*mask, gender and age tog"),
        (
            "age_accuracy",
            MASK,
            MASK,
            "checkpoint.save_best is 'age_accuracy', but the age is known of none",
        ),
        (
            None,
            "nll",
            MASK,
            "early_stopping.monitor is 'nll', but mask, .* none of the 24 validation photos",
        ),
        (MASK, MASK, "f1_03", r"param_scheduler\.1\.monitor is 'f1_03', "),
    ],
)
def test_a_score_that_no_photo_held_out_can_have_stops_the_run(
    tmp_path, best, stop, plateau, message
):
    with pytest.raises(InputError, match=f"{message}.*, or state .*=mask_accuracy$"):
        train(with_known_masks_held_out(tmp_path, best, stop, plateau))
    assert not list(tmp_path.glob("*.pth"))


def test_a_score_that_photos_held_out_have_chooses_the_epoch(tmp_path):
    train(with_known_masks_held_out(tmp_path, MASK, MASK, MASK))
    assert (tmp_path / "best_mask_accuracy_epoch_1.pth").is_file()
