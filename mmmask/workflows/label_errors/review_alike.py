"""The photos of other people that are most like those of a label issue, for the review."""

from pathlib import Path
from typing import Any

import pandas as pd

from mmmask.datasets.features import read_features
from mmmask.evaluation.neighbours import nearest
from mmmask.labels import ATTRIBUTES, MASKS
from mmmask.workflows.label_errors.review import Review, in_words


def photos_alike(review: Review, path: str | Path) -> list[dict[str, Any]]:
    """Return, for each label issue, which photo is compared, and the photos most like it.

    It is the photo in doubt, or the one that shows most of the person. Photos in another state of
    the mask are compared with it only where the mask is in doubt. Those without features are not.

    Args:
        review: The review.
        path: Frozen features.

    Returns:
        ``of``, the file stem, and ``photos``, the most alike first: ``image``, ``person``,
        ``stem``, and as labelled ``mask``, ``gender`` and ``age``.

    Raises:
        InputError: The features cannot be read, or lack a photo of a label issue.
    """
    features, issues = read_features(path), review.issues
    asked = [
        next((image for image in photos if Path(image).stem == photo), photos[0])
        for photo, photos in zip(issues["photo"], map(review.photos, issues["person"]), strict=True)
    ]
    features.of(asked)  # refuses features of other photos
    samples = review.samples[review.samples["image"].isin(features.images)].reset_index(drop=True)
    rows = samples.set_index("image").index.get_indexer(asked)
    values, person = features.of(samples["image"]), samples["person"]
    state = pd.Series(pd.Categorical(samples["mask"], categories=MASKS).codes.astype("int64"))
    found = nearest(values, person, rows, group=state)
    in_doubt = (issues["field"] == "mask").to_numpy()
    found[in_doubt] = nearest(values, person, rows[in_doubt])
    said = {name: in_words(samples, name) for name in ATTRIBUTES}
    known = samples[["image", "person"]].assign(**said)
    known["stem"] = [Path(image).stem for image in samples["image"]]
    photos = known.to_dict("records")
    return [
        {"of": Path(image).stem, "photos": [photos[row] for row in alike[alike >= 0]]}
        for image, alike in zip(asked, found, strict=True)
    ]
