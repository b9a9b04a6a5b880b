"""A checkpoint as a network that a predictor runs, and that says where it looked."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import MODELS, init_default_scope
from numpy.typing import NDArray

from mmmask.blocks import compose, test_steps
from mmmask.config import parse_options
from mmmask.datasets.face_boxes import preprocessing_facts, read_boxes
from mmmask.datasets.preparation import Preparation
from mmmask.deploy.facts import ModelFacts
from mmmask.deploy.networks import Answer
from mmmask.engine.checkpoints import load_checkpoint_file
from mmmask.engine.runner_config import load_checked
from mmmask.errors import InputError, first_line
from mmmask.labels import OLD_FROM
from mmmask.ledger.provenance import WITHOUT_TRUTH, file_hash, made_now, text_hash
from mmmask.models.hires_cam import hires_cam
from mmmask.tables import check_finite
from mmmask.workflows.testing import check_same, load_weights


def checked_device(device: str) -> torch.device:
    """Return a device that torch has here.

    Raises:
        InputError: It has none of that name.
    """
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"--device must be one that torch has here, such as cpu; got {device}: "
            f"{first_line(error)}"
        ) from error
    return place


class TorchNetwork:
    """A trained model, in the role of :class:`mmmask.deploy.networks.Network`.

    Args:
        config: Path of a config file.
        checkpoint: Checkpoint of a run of that config.
        data_root: Folder that holds ``train/`` and ``eval/``; None keeps the config's.
        options: ``name=value`` overrides of the config.
        device: Where it computes.

    Attributes:
        cfg: The composed config.
        content: What the checkpoint holds.
        classifier: The model, in evaluation mode.

    Raises:
        InputError: The checkpoint belongs to another model or another preprocessing.
    """

    def __init__(
        self,
        config: str | Path,
        checkpoint: str | Path,
        *,
        data_root: str | None = None,
        options: Sequence[str] = (),
        device: str = "cpu",
    ) -> None:
        place = checked_device(device)
        self.name = str(checkpoint)
        cfg = self.cfg = load_checked(config, parse_options(options), data_root=data_root)
        cfg.pretrained = None
        compose(cfg)
        self.content = load_checkpoint_file(checkpoint)
        meta = self.content.get("meta", {})
        check_same(cfg, meta, "preprocessing", Path(checkpoint))
        init_default_scope(cfg.default_scope)
        self.classifier = MODELS.build(cfg.model).to(place)
        load_weights(self.classifier, self.content, Path(checkpoint))
        self.classifier.eval()
        head = self.classifier.head
        years = head.age_model is not None
        old_from = OLD_FROM if years else meta.get("data", {}).get("old_from")
        self.facts = ModelFacts(
            preparation=Preparation.of_steps(test_steps(cfg)),
            preprocessing=preprocessing_facts(cfg),
            attribute=head.attribute,
            years=years,
            old_from=old_from if head.attribute in (None, "age") else None,
            views=tuple(cfg.tta.views),
            provenance={
                "config_hash": text_hash(cfg.pretty_text),
                "checkpoint": Path(checkpoint).name,
                "checkpoint_hash": file_hash(Path(checkpoint)),
                **{name: meta.get(name) for name in WITHOUT_TRUTH},
                **made_now(),
            },
        )

    def __call__(self, photos: NDArray[np.uint8]) -> Answer:
        with torch.no_grad():
            batch = self.classifier.test_step(self._batch(photos))
        years = batch.pred_years.cpu().numpy() if "pred_years" in batch else None
        return Answer(batch.pred_score.cpu().numpy(), years)

    def heat(
        self,
        photos: NDArray[np.uint8],
        values: Sequence[int] | NDArray[np.integer] | None = None,
        *,
        attribute: str | None = None,
    ) -> NDArray[np.float32]:
        """Return where the evidence lies: :func:`mmmask.models.hires_cam.hires_cam` of photos.

        Shape:
            ``photos``: (N, H, W, 3) uint8, prepared -> (N, H, W).

        Raises:
            InputError: The evidence is not of finite numbers, or as of ``hires_cam``.
        """
        inputs = self.classifier.data_preprocessor(self._batch(photos), False)["inputs"]
        heat = hires_cam(self.classifier, inputs, values, attribute=attribute).cpu().numpy()
        check_finite(self.name, heat)
        return heat

    def boxes(self, images: Sequence[str]) -> NDArray[np.float32] | None:
        """Return the boxes that the config lists, (N, 4); None where photos are taken whole."""
        faces = self.cfg.preprocessing.get("faces")
        if faces is None:
            return None
        boxes = read_boxes(faces["boxes"])
        missing = [image for image in images if image not in boxes.rows]
        if missing:
            raise InputError(f"{faces['boxes']}: no row for {missing[0]}")
        return boxes.edges[[boxes.rows[image] for image in images]]

    def _batch(self, photos: NDArray[np.uint8]) -> dict:
        """Return prepared photos as the data workers hand them over."""
        inputs = torch.from_numpy(np.ascontiguousarray(photos)).permute(0, 3, 1, 2)
        return {"inputs": inputs}
