"""The photos of other people that the review shows beside a label issue."""

from pathlib import Path

import numpy as np
import pytest

from mmmask.datasets.corrections import SWAP
from mmmask.datasets.layout import read_train
from mmmask.errors import InputError
from mmmask.workflows.label_errors.review import opened_review
from mmmask.workflows.label_errors.review_alike import photos_alike
from mmmask.workflows.label_errors.review_app import review_app
from tests.made_features import made_features
from tests.made_review import list_label_issues
from tests.served_app import served


@pytest.fixture
def review(make_layout, tmp_path):
    people = [(f"{k:06d}", ("male", "female")[k % 2], 20 + 9 * k) for k in range(6)]
    root = make_layout(people)
    list_label_issues(root, tmp_path / "suspects.csv")
    out = tmp_path / "corrections.csv"
    with opened_review(tmp_path / "suspects.csv", out, data_root=root) as review:
        yield review


def features_of(images, path: Path) -> Path:
    return made_features(path, images, np.random.default_rng(0).normal(size=(len(images), 8)))


def test_an_issue_has_photos_of_others_in_the_same_state_unless_the_mask_is_in_doubt(
    review, tmp_path
):
    path = features_of(review.samples["image"], tmp_path / "features.arrow")
    found = photos_alike(review, path)
    samples = review.samples.set_index("image")
    states: dict[str, set] = {"gender": set(), "age": set(), "mask": set()}
    for issue, alike in zip(review.issues.itertuples(), found, strict=True):
        whole = issue.field != "mask" or issue.value == SWAP
        assert alike["of"] == ("normal" if whole else issue.photo)
        assert len(alike["photos"]) == 5
        for photo in alike["photos"]:
            assert photo["person"] != issue.person
            row = samples.loc[photo["image"]]
            told = (photo["person"], photo["mask"], photo["gender"], photo["age"])
            assert told == (row["person"], row["mask"], row["gender"], str(row["age"]))
            states[issue.field].add(photo["mask"])
    assert states["gender"] == states["age"] == {"normal"}
    assert states["mask"] == {"wear", "incorrect", "normal"}


def test_photos_without_features_are_not_compared_and_those_of_an_issue_must_have_some(
    review, tmp_path
):
    listed = [image for person in review.issues["person"] for image in review.photos(person)]
    last = listed[-1].split("/")[-2]
    others = [image for image in dict.fromkeys(listed) if last not in image]
    path = features_of(others, tmp_path / "features.arrow")
    with pytest.raises(InputError, match=rf"features\.arrow: .*the first is train/images/{last}"):
        photos_alike(review, path)
    with pytest.raises(InputError, match=r"gone\.arrow: no such file"):
        review_app(review, tmp_path / "data", features=tmp_path / "gone.arrow")


def test_the_page_has_them_and_the_server_sends_them(review, tmp_path):
    from tests.workflows.label_errors.test_review_app import Client

    samples = read_train(tmp_path / "data")
    review.issues.drop(review.issues.index[1:], inplace=True)  # one person; others are only alike
    path = features_of(samples["image"], tmp_path / "features.arrow")
    with served(review_app(review, tmp_path / "data", features=path)) as address:
        client = Client(address)
        assert b'"alike":[{"of":"normal","photos":[{"image":' in client.ask("/")[2]
        name = client.state()["list"]
        assert [client.ask(f"/photo/{name}/{k}")[0] for k in (6, 7, 11, 12)] == [200, 200, 200, 400]


def test_photos_of_partial_labels_are_compared_by_what_is_known_of_them(make_layout, tmp_path):
    root = make_layout([("000001", "male", 30), ("000002", "female", 61)])
    images = read_train(root)["image"]
    rows = [f"{image},{'' if row % 2 else 'wear'},50,59" for row, image in enumerate(images)]
    table, issues = root / "own.csv", tmp_path / "suspects.csv"
    table.write_text("\n".join(["image,mask,age_from,age_to", *rows]) + "\n")
    header = "kind,person,photo,field,value\n"
    issues.write_text(f"{header}mask,{images[0]},*,mask,normal\nage,{images[1]},*,age,30\n")
    features = features_of(images, tmp_path / "features.arrow")
    with opened_review(issues, tmp_path / "corrections.csv", data_root=table) as review:
        state = review.state()
        assert [stand["was"] for stand in state["decisions"].values()] == ["wear", "50-59"]
        (label,) = state["labels"][images[1]].values()
        assert label == {"mask": "unknown", "gender": "unknown", "age": "50-59", "corrected": False}
        after = review.decide(1, "accept", state["version"])
        assert after["decisions"][1]["now"] == "30"
        masks = {photo["mask"] for photo in photos_alike(review, features)[1]["photos"]}
    assert masks == {"unknown"}
