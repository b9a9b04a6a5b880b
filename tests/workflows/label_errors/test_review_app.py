"""What the review's server answers, whoever asks: its page, another site, a guess at files."""

import json
import socket
import threading
import urllib.error
import urllib.request
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from mmmask.datasets.corrections import read_corrections
from mmmask.datasets.layout import read_train
from mmmask.errors import InputError
from mmmask.tables import LABEL_ISSUES, PREDICTIONS, PROBABILITIES, write_table
from mmmask.workflows.label_errors.review import opened_review
from mmmask.workflows.label_errors.review_app import HEIGHT, LARGEST, read_opinions, review_app
from tests.made_review import list_label_issues
from tests.served_app import served


class Client:
    """Whoever asks."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, data=body, headers=names)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def state(self) -> dict:
        return json.loads(self.ask("/state")[2])

    def post(self, path: str, **body: object) -> tuple[int, dict]:
        status, _, content = self.ask(path, json.dumps(body).encode())
        return status, json.loads(content)


@pytest.fixture
def root(make_layout):
    return make_layout([("000001", "male", 30), ("000002", "female", 61)])


@pytest.fixture
def client(root, tmp_path):
    list_label_issues(root, tmp_path / "suspects.csv")
    out = tmp_path / "corrections.csv"
    with (
        opened_review(tmp_path / "suspects.csv", out, data_root=root) as review,
        served(review_app(review, root)) as address,
    ):
        client = Client(address)
        client.out = out
        yield client


def decision(state: dict, number: int = 0, verdict: str = "accept", **more: object) -> dict:
    seen = {"list": state["list"], "version": state["version"]}
    return {**seen, "number": number, "verdict": verdict, "values": {}, **more}


def test_a_decision_is_answered_when_it_is_in_the_table(client) -> None:
    state = client.state()
    status, answer = client.post("/decide", **decision(state))
    assert (status, answer["stored"], answer["decisions"]["0"]["verdict"]) == (200, True, "accept")
    assert read_corrections(client.out)["value"].tolist() == ["female"]
    status, answer = client.post("/undo", list=state["list"], version=answer["version"])
    assert (status, answer["undone"]) == (200, 0)
    assert read_corrections(client.out).empty


def test_the_state_is_sent_again_only_when_it_has_changed(client) -> None:
    _, headers, _ = client.ask("/state")
    assert client.ask("/state", If_None_Match=headers["ETag"])[0] == 304
    client.post("/decide", **decision(client.state()))
    assert client.ask("/state", If_None_Match=headers["ETag"])[0] == 200


@pytest.mark.parametrize(
    "more, said",
    [
        ({"list": "0"}, "the server has another list of label issues now; reload this page"),
        ({"number": 99}, "label issue must be from 0 to"),
        ({"number": True}, "number must be of type int; got True"),
        ({"number": "0"}, "number must be of type int; got '0'"),
        ({"values": {"*": 3}}, "values must be text"),
        ({"verdict": "drop"}, "verdict must be accept, keep, set or later; got 'drop'"),
        ({"more": 1}, "the request must have list, number, verdict, version, values"),
    ],
)
def test_what_is_no_decision_is_refused_in_a_sentence(client, more, said) -> None:
    status, answer = client.post("/decide", **decision(client.state(), **more))
    assert status == 400
    assert said in answer["error"]
    assert not client.out.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{half", 400),
        (b"[]", 400),
        (b"[" * 90_000, 400),
        (b"NaN", 400),
        (b'{"verdict": "\\ud800"}', 400),
        (b'{"number": ' + b"9" * 9000 + b"}", 400),
        (b" " * (LARGEST + 1), 413),
    ],
)
def test_what_is_no_json_is_refused_in_a_sentence(client, body, status) -> None:
    found, headers, content = client.ask("/decide", body)
    assert (found, headers["Content-Type"]) == (status, "application/json")
    assert list(json.loads(content)) == ["error"]
    assert not client.out.exists()


def test_two_tabs_that_decide_at_once_lose_nothing(client) -> None:
    count = len(client.state()["decisions"])
    halves = [range(0, count, 2), range(1, count, 2)]

    def decide(numbers: range) -> None:
        state = client.state()
        for number in numbers:
            while True:
                _, state = client.post("/decide", **decision({**first, **state}, number, "keep"))
                if state["stored"]:
                    break

    first = client.state()
    threads = [threading.Thread(target=decide, args=(half,)) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    state = client.state()
    assert count >= 2
    assert state["undo"] == count
    assert {one["verdict"] for one in state["decisions"].values()} == {"keep"}
    log = client.out.with_name(client.out.name + ".log").read_text().splitlines()
    assert sum('"keep"' in line for line in log) == count


def test_a_decision_whose_sender_breaks_off_is_stored_once(client) -> None:
    state = client.state()
    body = json.dumps(decision(state)).encode()
    host, port = client.address.removeprefix("http://").split(":")
    head = f"POST /decide HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as link:
        link.sendall(head.encode() + body)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    status, answer = client.post("/decide", **decision(state))  # it sends it again
    assert status == 200
    assert answer["decisions"]["0"]["verdict"] == "accept"
    assert client.state()["undo"] == 1


def test_another_site_can_neither_decide_nor_read(client) -> None:
    body = json.dumps(decision(client.state())).encode()
    own = client.address
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": own.rsplit(":", 1)[0] + ":1"},  # another app of this computer
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "evil.example"},
    ):
        assert client.ask("/decide", body, **headers)[0] == 403, headers
    assert client.ask("/state", Sec_Fetch_Site="same-site")[0] == 403
    assert client.ask("/decide")[0] == 405  # a link or an image decides nothing
    assert not client.out.exists()
    assert client.ask("/decide", body, Origin=own, Sec_Fetch_Site="same-origin")[0] == 200


def test_photos_of_the_list_are_served_and_no_other_file(client, root) -> None:
    name = client.state()["list"]
    status, headers, data = client.ask(f"/photo/{name}/0")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    first = root / "train/images/000001_male_Asian_30/normal.jpg"
    photo = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(photo.astype(int) - cv2.imread(str(first))).mean() < 12  # noise, compressed
    for path in (
        f"/photo/{name}/14",
        f"/photo/{name}/-1",
        f"/photo/{name}/{'9' * 5000}",
        f"/photo/{name}/%D9%A3",
        f"/photo/{name}/../../train.csv",
        f"/photo/{name}/%2e%2e%2f%2e%2e%2ftrain.csv",
        "/photo/0/0",
        "/photo//etc/passwd",
        "/../../../etc/passwd",
    ):
        assert client.ask(path)[0] in (400, 404), path


def test_photos_are_turned_upright_and_no_larger_than_shown(make_layout, tmp_path) -> None:
    from PIL import Image

    root = make_layout([("000001", "male", 30)])
    path = root / "train/images/000001_male_Asian_30/normal.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.new("RGB", (1200, 900), "white").save(path, exif=exif)
    row = ("gender", "000001", "*", "gender", "female", float("nan"), "")
    write_table(tmp_path / "s.csv", pd.DataFrame([row], columns=list(LABEL_ISSUES)), LABEL_ISSUES)
    with (
        opened_review(tmp_path / "s.csv", tmp_path / "c.csv", data_root=root) as review,
        served(review_app(review, root)) as address,
    ):
        client = Client(address)
        data = client.ask(f"/photo/{client.state()['list']}/0")[2]
        assert client.ask("/")[0] == 200  # without a probability
        path.with_name("incorrect_mask.jpg").write_bytes(b"broken")
        status, _, content = client.ask(f"/photo/{client.state()['list']}/1")
        assert status == 400
        assert "not a photo that can be decoded" in json.loads(content)["error"]
    photo = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert photo.shape == (HEIGHT, HEIGHT * 3 // 4, 3)


def test_a_name_cannot_end_the_script_that_holds_it(make_layout, tmp_path) -> None:
    root = make_layout([("000001", "male", 30)])
    person = read_train(root)["person"].iloc[0]
    row = ("gender", person, "*", "gender", "female", 1.0, "</script><script>alert(1)</script>")
    write_table(tmp_path / "s.csv", pd.DataFrame([row], columns=list(LABEL_ISSUES)), LABEL_ISSUES)
    with (
        opened_review(tmp_path / "s.csv", tmp_path / "c.csv", data_root=root) as review,
        served(review_app(review, root)) as address,
    ):
        status, headers, content = Client(address).ask("/")
    assert status == 200
    assert b"<script>alert" not in content
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


def test_opinions_are_of_the_listed_photos(root, tmp_path) -> None:
    images = read_train(root)["image"].tolist()
    table = pd.DataFrame(1 / 18, columns=list(PROBABILITIES), index=range(len(images)))
    table.insert(0, "image", images)
    table.loc[0, list(PROBABILITIES)] = [0.0] * 9 + [0.75] + [0.0] * 7 + [0.25]
    path = tmp_path / "oof.parquet"
    write_table(path, table, PREDICTIONS)
    opinions = read_opinions(path, images[:3])
    assert list(opinions) == images[:3]
    assert opinions[images[0]] == {
        "mask": [0, 0.75, 0.25], "gender": [0, 1], "age": [0.75, 0, 0.25],
    }  # fmt: skip
    with pytest.raises(InputError, match="has none of the 1 photos"):
        read_opinions(path, ["train/images/none.jpg"])
