from pathlib import Path

import cv2
import numpy as np
import pytest

from mmmask.deploy.predictor import Predictor
from mmmask.workflows.demo.app import as_jpeg, demo_app, described
from mmmask.workflows.demo.read_faces import FaceReader
from tests.served_app import served
from tests.tiny_models import tiny_reader

from .conftest import is_accessible
from .legible import flaws


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return tiny_reader(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def address(reader):
    with served(demo_app(reader)) as address:
        yield address


@pytest.fixture
def demo(page, address):
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    return page


@pytest.fixture(scope="module")
def photo(drawn) -> Path:
    return sorted(drawn.glob("eval/images/*"))[0]


@pytest.fixture(scope="module")
def group(drawn, tmp_path_factory) -> Path:
    """Three people side by side."""
    path = tmp_path_factory.mktemp("group") / "group.png"
    photos = sorted(drawn.glob("train/images/*/normal.jpg"))[:3]
    cv2.imwrite(str(path), np.concatenate([cv2.imread(str(photo)) for photo in photos], axis=1))
    return path


def expected(reader: FaceReader, path: Path) -> list[dict]:
    """Return what the page is to say of each face."""
    faces, predictions = reader(cv2.imread(str(path)))
    return [described(face, predictions.iloc[[row]]) for row, face in enumerate(faces)]


def choose(page, *files) -> None:
    page.locator("#file").set_input_files(*files)


def answered(page, words: str = "One face.") -> None:
    page.locator("#status", has_text=words).wait_for()
    page.locator("#result").wait_for()


def percent(share: float) -> str:
    number = "<1" if share < 0.005 else ">99" if share > 0.995 else f"{round(100 * share)}"
    return f"{number}\u00a0%"


def told(answer: dict) -> dict:
    """Return the words in which the page is to show an answer."""
    parts = [(part["values"], part["answer"]) for part in answer["attributes"]]
    return {
        "title": ", ".join(answer["words"]).capitalize(),
        "best": [values[best]["word"].capitalize() for values, best in parts],
        "figures": [percent(value["probability"]) for values, _ in parts for value in values],
        "classes": [row["name"] + percent(row["probability"]) for row in answer["classes"]],
        "face": answer["picture"],
    }


def shown(page) -> dict:
    """Return the words in which the page shows an answer."""
    return {
        "title": " ".join(page.locator("#title").inner_text().split()),
        "best": page.locator(".bars dt.best").all_inner_texts(),
        "figures": page.locator(".bars dd:not(.track)").all_inner_texts(),
        "classes": page.locator("#classes tr").all_text_contents(),
        "face": page.locator("#face").get_attribute("src"),
    }


def test_a_chosen_photo_is_answered(demo, reader, photo) -> None:
    choose(demo, photo)
    answered(demo)
    (answer,) = expected(reader, photo)
    assert shown(demo) == told(answer)
    assert demo.locator("#sure").inner_text().endswith("that all three are right")
    assert demo.locator("#age").inner_text().startswith(f"About {answer['age']['median']} years")
    box = demo.locator("rect.box")
    assert float(box.get_attribute("x")) == pytest.approx(answer["box"][0])
    sizes = "all => all.map((one) => [one.naturalWidth, one.naturalHeight])"
    assert demo.locator("#photo").evaluate_all(sizes) == [[48, 64]]
    assert not any("/heat" in url for url in demo.requests)  # only when asked for


def test_a_dropped_photo_is_answered(demo, reader, photo) -> None:
    """By the events of Chromium's own input, as when a file is dragged in from a folder."""
    session = demo.context.new_cdp_session(demo)
    data = {"items": [], "files": [str(photo)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 700, "y": 600, "data": data}
        session.send("Input.dispatchDragEvent", event)
        over = "over" in demo.locator("#pick").get_attribute("class")
        assert over == (kind == "dragOver"), kind
    answered(demo)
    assert [shown(demo)] == [told(answer) for answer in expected(reader, photo)]


def test_hires_cam_is_shown_on_demand_and_put_away(demo, reader, photo) -> None:
    choose(demo, photo)
    answered(demo)
    (answer,) = expected(reader, photo)
    face = reader(cv2.imread(str(photo)))[0][0]
    for part in answer["attributes"][::2]:
        name, value = part["name"], part["answer"]
        button = demo.get_by_role("button", name=f"Where the network looked for {name}")
        button.press("Enter")
        word = part["values"][value]["word"]
        demo.locator("#looked", has_text=f"What speaks for “{word}”").wait_for()
        assert button.get_attribute("aria-pressed") == "true"
        heated = as_jpeg(reader.explain(face, value, name))
        assert demo.locator("#face").get_attribute("src") == heated != answer["picture"]
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert demo.locator("#face").get_attribute("src") == answer["picture"]
    assert len([url for url in demo.requests if "/heat" in url]) == 2


def test_a_heat_map_that_comes_late_does_not_lie_on_the_next_photo(demo, reader, drawn) -> None:
    first, second = sorted(drawn.glob("train/images/*/normal.jpg"))[:2]
    choose(demo, first)
    answered(demo)
    held = []
    demo.route("**/heat*", lambda route: held.append((route, route.fetch())))
    demo.get_by_role("button", name="Where the network looked for mask").click()
    while not held:
        demo.wait_for_timeout(20)
    choose(demo, second)
    answered(demo)
    ((route, answer),) = held
    with demo.expect_request_finished(lambda request: "/heat" in request.url):
        route.fulfill(response=answer)
    demo.wait_for_timeout(100)  # for the script to take it
    assert [shown(demo)] == [told(answer) for answer in expected(reader, second)]
    assert demo.locator("#looked").inner_text() == "What the network saw"


def test_each_of_several_faces_can_be_chosen_in_the_photo_and_by_number(
    demo, reader, group
) -> None:
    choose(demo, group)
    answered(demo, "3 faces.")
    answers = expected(reader, group)
    assert len({str(answer["classes"]) for answer in answers}) == 3
    assert shown(demo) == told(answers[0])
    demo.get_by_role("button", name="Face 2: ").press("Enter")
    assert shown(demo) == told(answers[1])
    demo.locator("rect.box").nth(2).click()
    assert shown(demo) == told(answers[2])
    pressed = demo.locator("#which [aria-pressed=true]")
    assert pressed.all_inner_texts() == ["3"]
    demo.get_by_role("button", name="Where the network looked for gender").click()
    demo.locator("#looked", has_text="What speaks for").wait_for()
    face = reader(cv2.imread(str(group)))[0][2]
    value = answers[2]["attributes"][1]["answer"]
    assert demo.locator("#face").get_attribute("src") == as_jpeg(
        reader.explain(face, value, "gender")
    )


def test_what_is_no_photo_is_told_in_a_sentence_and_the_next_photo_is_answered(
    demo, reader, photo, tmp_path
) -> None:
    choose(demo, photo)
    answered(demo)
    cut, large = tmp_path / "cut.jpg", tmp_path / "large.jpg"
    cut.write_bytes(photo.read_bytes()[:300])
    with large.open("wb") as file:
        file.truncate(100_500_000)
    choose(demo, cut)
    fault = demo.locator("#status.fault")
    fault.wait_for()
    refusal = "The upload: not a photo that can be decoded (jpg, png, webp or bmp), 300 bytes."
    assert fault.inner_text() == refusal
    assert not demo.locator("#result").is_visible()
    requests = len(demo.requests)
    choose(demo, large)
    refusal = "The photo must have at most 100 MB; this one has 100.5."
    demo.locator("#status.fault", has_text=refusal).wait_for()
    assert len(demo.requests) == requests  # it was not even sent
    choose(demo, photo)
    answered(demo)
    assert [shown(demo)] == [told(answer) for answer in expected(reader, photo)]


def test_a_photo_without_a_face_is_taken_whole_and_the_page_says_so(demo, tmp_path) -> None:
    dark = tmp_path / "dark.png"
    cv2.imwrite(str(dark), np.full((90, 160, 3), 10, dtype=np.uint8))
    choose(demo, dark)
    answered(demo, "No face was found, so the whole photo is taken as one")
    assert demo.locator("rect.box").count() == 0


def test_the_camera_takes_a_photo_and_is_switched_off(demo) -> None:
    demo.get_by_role("button", name="Use the camera").click()
    demo.wait_for_selector("#take:enabled")
    take = demo.get_by_role("button", name="Take the photo")
    assert demo.locator("#video").evaluate("video => video.srcObject.active")
    take.press("Enter")
    answered(demo, "face")
    assert demo.locator("#photo").evaluate("image => image.naturalWidth") >= 320
    assert demo.locator("#video").evaluate("video => video.srcObject") is None
    assert not demo.locator("#camera").is_visible()


def test_phones_screen_readers_and_dark_rooms_are_served(demo, address, group) -> None:
    choose(demo, group)
    answered(demo, "3 faces.")
    demo.locator("summary").click()
    assert is_accessible(demo) == ["not one nav[aria-label]"]  # there are no sections to go to
    assert flaws(demo) == []
    demo.get_by_role("button", name="Dark", exact=True).click()
    colour = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/))"
    assert demo.evaluate(colour) < 128
    demo.set_viewport_size({"width": 360, "height": 780})
    title = demo.locator("#title span").first
    assert title.evaluate("word => word.getClientRects().length") == 1
    assert "Not for decisions about a person." in demo.locator(".limits").inner_text()
    ours = {f"{address}/", f"{address}/answer"}
    assert {url for url in demo.requests if not url.startswith(("data:", "blob:"))} == ours


def test_an_exported_model_answers_and_says_that_it_cannot_explain(
    page, make_onnx, reader, photo
) -> None:
    exported = FaceReader(Predictor(make_onnx()), reader.finder)
    with served(demo_app(exported)) as address:
        page.goto(address)
        choose(page, photo)
        answered(page)
        assert [shown(page)] == [told(answer) for answer in expected(exported, photo)]
        assert page.get_by_role("button", name="Where the network looked").count() == 0
        assert "cannot show where it looked" in page.locator(".note").inner_text()
