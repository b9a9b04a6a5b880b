"""What becomes of decisions: the table, undo, other tabs, crashes, and hands in between."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmmask.datasets.corrections import SWAP, correct, read_corrections
from mmmask.datasets.layout import read_train
from mmmask.errors import InputError
from mmmask.tables import LABEL_ISSUES, read_table, write_table
from mmmask.workflows.label_errors import review_table
from mmmask.workflows.label_errors.review import (
    Review,
    match_label_issues,
    opened_review,
    pace,
)

A, B, C = "000001_male_Asian_30", "000002_female_Asian_61", "000003_male_Asian_25"
HEAD = "person,photo,field,value,reason\n"


class Place:
    """A folder of three people, label issues of them, and where corrections go."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.out = root, folder / "corrections.csv"
        self.samples = read_train(root)
        self.list = folder / "suspects.csv"
        rows = [
            ("gender", A, "*", "gender", "female", 0.99, "looks female, surely"),
            ("gender", "000003", "*", "gender", "female", 0.8, ""),
            ("mask", B, "*", "mask", SWAP, 0.99, "looks the other way round"),
            ("mask", C, "mask2", "mask", "incorrect", 0.7, "shows the nose"),
            ("age", B, "*", "age", "28", 0.5, "labelled 61"),
        ]
        write_table(self.list, pd.DataFrame(rows, columns=list(LABEL_ISSUES)), LABEL_ISSUES)
        table = read_table(self.list, LABEL_ISSUES)
        self.issues = match_label_issues(table, self.samples, str(self.list))

    @contextmanager
    def review(self) -> Iterator["Hand"]:
        review = Review(self.issues, self.samples, self.out)
        try:
            yield Hand(review)
        finally:
            review.close()

    def rows(self) -> list[tuple]:
        """Return the table as training reads it, without reasons."""
        table = read_corrections(self.out)
        correct(self.samples, table, "")
        return [tuple(row)[:4] for row in table.itertuples(index=False)]


class Hand:
    """A person before one tab, who has seen the last version."""

    def __init__(self, review: Review) -> None:
        self.review = review
        self.seen = review.state()

    def decide(self, number: int, verdict: str, **values: str) -> dict:
        values = {photo.replace("all", "*"): value for photo, value in values.items()}
        self.seen = self.review.decide(number, verdict, self.seen["version"], values)
        return self.seen

    def undo(self) -> dict:
        self.seen = self.review.undo(self.seen["version"])
        return self.seen

    def verdicts(self) -> list[str]:
        return [one["verdict"] for _, one in sorted(self.review.state()["decisions"].items())]


@pytest.fixture
def place(make_layout, tmp_path) -> Place:
    people = [("000001", "male", 30), ("000002", "female", 61), ("000003", "male", 25)]
    return Place(make_layout(people), tmp_path)


def test_decisions_become_corrections_that_training_reads(place) -> None:
    with place.review() as hand:
        hand.decide(0, "accept")
        hand.decide(1, "keep")
        hand.decide(2, "accept")
        hand.decide(3, "later")
        hand.decide(4, "set", all="35")
        assert hand.verdicts() == ["accept", "keep", "accept", "later", "set"]
    table = read_corrections(place.out)
    assert place.rows() == [
        (A, "*", "gender", "female"), (B, "*", "mask", SWAP), (B, "*", "age", "35"),
    ]  # fmt: skip
    assert table["reason"].tolist() == [
        "reviewed: looks female, surely",
        "reviewed: looks the other way round",
        "set in review, not 28: labelled 61",
    ]
    corrected = correct(place.samples, table, "").set_index("image")
    assert corrected.loc[f"train/images/{B}/normal.jpg", "mask"] == "incorrect"
    assert set(corrected.loc[corrected["person"] == B, "age"]) == {35}


def test_the_state_tells_labels_before_and_after(place) -> None:
    with place.review() as hand:
        swap = hand.seen["decisions"][2]
        assert swap["verdict"] == "open"
        assert swap["was"] == "incorrect_mask incorrect, normal normal"
        answer = hand.decide(2, "accept")
        assert set(answer["decisions"]) == {2, 4}  # of the person alone
        assert answer["decisions"][2]["now"] == "incorrect_mask normal, normal incorrect"
        assert answer["decisions"][2]["was"] == swap["was"]
        assert answer["labels"][B]["normal"] == {
            "mask": "incorrect", "gender": "female", "age": "61", "corrected": True,
        }  # fmt: skip
        assert hand.review.state()["labels"][A]["normal"]["corrected"] is False
        assert hand.review.photos(B)[0].endswith("/normal.jpg")


def test_a_decision_that_is_changed_is_about_the_label_as_it_was(place) -> None:
    with place.review() as hand:
        hand.decide(0, "accept")
        answer = hand.decide(0, "set", all="male")
        assert answer["decisions"][0] == {
            "verdict": "keep", "was": "male", "now": "male", "values": {},
        }  # fmt: skip
    assert place.rows() == []


def test_a_review_goes_on_where_it_ended_and_undoes_what_was_before(place) -> None:
    with place.review() as hand:
        hand.decide(0, "accept")
        hand.decide(3, "later")
        hand.decide(0, "keep")
    assert place.rows() == []
    with place.review() as hand:
        assert hand.verdicts() == ["keep", "open", "open", "later", "open"]
        assert hand.seen["last"] == 0
        assert hand.seen["undo"] == 3
        assert hand.undo()["undone"] == 0
        assert place.rows() == [(A, "*", "gender", "female")]
        assert hand.undo()["undone"] == 3
        assert hand.undo()["undone"] == 0
        assert place.rows() == []
        with pytest.raises(InputError, match="no decision to undo"):
            hand.undo()
        assert hand.verdicts() == ["open"] * 5


def test_a_tab_that_has_not_seen_the_last_version_changes_nothing(place) -> None:
    with place.review() as one:
        other = Hand(one.review)
        one.decide(0, "accept")
        answer = other.decide(3, "accept")
        assert answer["stored"] is False
        assert [answer["decisions"][n]["verdict"] for n in (0, 3)] == ["accept", "open"]
        assert place.rows() == [(A, "*", "gender", "female")]
        assert other.decide(3, "accept")["stored"]  # having seen it
        assert one.undo()["stored"] is False
        assert len(place.rows()) == 2


def test_what_is_sent_twice_is_stored_once(place) -> None:
    with place.review() as hand:
        version = hand.decide(0, "accept")["version"]
        assert hand.decide(0, "accept")["version"] == version
        assert hand.seen["undo"] == 1


def test_values_that_are_the_label_or_the_proposal_are_called_so(place) -> None:
    with place.review() as hand:
        hand.decide(0, "set", all="male")
        hand.decide(1, "set", all="female")
        hand.decide(2, "set", normal="incorrect", incorrect_mask="normal")
        hand.decide(3, "set", mask2="normal", mask3="wear")
        assert hand.verdicts() == ["keep", "accept", "accept", "set", "open"]
        assert hand.review.state()["decisions"][3]["values"] == {"mask2": "normal", "mask3": "wear"}
    assert (B, "*", "mask", SWAP) in place.rows()


@pytest.mark.parametrize(
    "number, verdict, values, said",
    [
        (9, "accept", {}, "label issue must be from 0 to 4; got 9"),
        (-1, "accept", {}, "label issue must be from 0 to 4; got -1"),
        (0, "drop", {}, "verdict must be accept, keep, set or later; got 'drop'"),
        (0, "open", {}, "verdict must be"),
        (0, "set", {}, "got none"),
        (0, "set", {"normal": "male"}, r"photo must be of \*; got normal"),
        (0, "set", {"*": "man"}, "gender must be male or female; got 'man'"),
        (4, "set", {"*": "121"}, "age must be whole years from 0 to 120; got '121'"),
        (4, "set", {"*": "-3"}, "age must be whole years"),
        (3, "set", {"mask9": "wear"}, "got mask9"),
        (3, "set", {"mask2": SWAP}, "mask must be wear or incorrect or normal"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_and_nothing_stored(
    place, number, verdict, values, said
) -> None:
    with place.review() as hand:
        with pytest.raises(InputError, match=said):
            hand.review.decide(number, verdict, hand.seen["version"], values)
        assert hand.review.state()["version"] == hand.seen["version"]
    assert not place.out.exists()


# ---- rows of others


def test_rows_of_others_stay_with_all_their_columns(place) -> None:
    text = "who,person,photo,field,value\nme,000003,*,age,26\n,000001,normal,mask,wear\n"
    place.out.write_text(text)
    with place.review() as hand:
        assert hand.seen["labels"][C]["normal"]["age"] == "26"
        assert place.out.read_text() == text  # nothing was decided
        hand.decide(0, "accept")
        hand.undo()
    table = pd.read_csv(place.out, dtype=str, keep_default_na=False)
    assert table["who"].tolist() == ["me", ""]
    assert table["person"].tolist() == ["000003", "000001"]
    assert table["value"].tolist() == ["26", "wear"]


def test_a_row_that_a_hand_has_added_wins_over_those_before_it(place) -> None:
    with place.review() as hand:
        hand.decide(0, "accept")
    with place.out.open("a") as file:
        file.write(f"{A},*,gender,male,I know him\n")
    with place.review() as hand:
        hand.decide(4, "accept")
        with place.out.open("a") as file:  # and while it runs
            file.write(f"{B},*,age,29,so she says\n")
        answer = hand.decide(3, "accept")
        assert answer["stored"] is False  # of another table
        assert answer["labels"][B]["normal"]["age"] == "29"
        assert hand.decide(3, "accept")["stored"]
    assert place.rows() == [
        (A, "*", "gender", "female"), (A, "*", "gender", "male"), (B, "*", "age", "28"),
        (B, "*", "age", "29"), (C, "mask2", "mask", "incorrect"),
    ]  # fmt: skip


def test_a_label_issue_that_the_table_corrects_already_needs_no_decision(place) -> None:
    place.out.write_text(HEAD + f"000002,*,mask,{SWAP},seen\n000001,*,gender,female,\n")
    with place.review() as hand:
        assert hand.verdicts() == ["made", "open", "made", "open", "open"]
        hand.decide(2, "accept")
        assert [row[3] for row in place.rows()].count(SWAP) == 1  # two would cancel out
        hand.decide(0, "set", all="male")
        assert hand.review.state()["labels"][A]["normal"]["gender"] == "male"


def test_a_swap_that_was_made_photo_by_photo_is_not_made_again(place) -> None:
    rows = "000002,normal,mask,incorrect,\n000002,incorrect_mask,mask,normal,\n"
    place.out.write_text(HEAD + rows)
    with place.review() as hand:
        assert hand.verdicts()[2] == "made"
        hand.decide(2, "accept")
        assert hand.verdicts()[2] == "accept"
        assert len(place.rows()) == 2


def test_a_swap_that_a_hand_adds_beside_the_accepted_one_counts_once(place) -> None:
    with place.review() as hand:
        hand.decide(2, "accept")
        with place.out.open("a") as file:
            file.write(f"000002,*,mask,{SWAP},I saw it too\n")
        labels = hand.review.state()["labels"][B]
        assert labels["normal"]["mask"] == "incorrect"
        assert len(place.rows()) == 1


def test_what_a_hand_has_removed_is_asked_again(place) -> None:
    with place.review() as hand:
        hand.decide(0, "accept")
        hand.decide(4, "accept")
    lines = place.out.read_text().splitlines(keepends=True)
    place.out.write_text("".join([lines[0], lines[2]]))
    with place.review() as hand:
        assert hand.review.notices == [
            "corrections.csv: 1 decisions were removed by hand; open again"
        ]
        assert hand.verdicts() == ["open", "open", "open", "open", "accept"]
        assert place.rows() == [(B, "*", "age", "28")]
        assert hand.undo()["undone"] == 0
        assert len(place.rows()) == 2


def test_a_lost_table_is_written_anew(place) -> None:
    with place.review() as hand:
        hand.decide(0, "accept")
    place.out.unlink()
    with place.review() as hand:
        assert "written anew from its log" in hand.review.notices[0]
        assert place.rows() == [(A, "*", "gender", "female")]
        place.out.unlink()  # and while it runs
        hand.seen = hand.review.state()
        hand.decide(1, "keep")
        assert place.rows() == [(A, "*", "gender", "female")]


def test_decisions_on_another_list_stay_and_cannot_be_undone_here(place) -> None:
    with place.review() as hand:
        hand.decide(0, "accept")
        hand.decide(4, "accept")
    place.issues = place.issues[place.issues["kind"] != "age"].reset_index(drop=True)
    with place.review() as hand:
        assert hand.seen["undo"] == 0
        hand.decide(1, "accept")
        assert hand.seen["undo"] == 1
    assert [row[0] for row in place.rows()] == [A, B, C]


# ---- crashes


def test_a_table_that_cannot_be_written_follows_with_the_next_decision(place, monkeypatch) -> None:
    with place.review() as hand:
        hand.decide(0, "accept")
        with monkeypatch.context() as patch:
            full = OSError(28, "No space left on device")
            patch.setattr(review_table, "onto_disk", lambda _: (_ for _ in ()).throw(full))
            with pytest.raises(InputError, match=r"the decision is in corrections\.csv\.log alone"):
                hand.decide(1, "accept")
        assert len(place.rows()) == 1
        hand.seen = hand.review.state()
        hand.decide(1, "accept")  # as a person would, seeing that it was not stored
    assert len(place.rows()) == 2


def test_an_undo_of_all_there_was_reaches_the_table_after_a_crash(place, monkeypatch) -> None:
    with place.review() as hand:
        hand.decide(0, "accept")
        monkeypatch.setattr(hand.review._table, "write", crash)
        with pytest.raises(CrashError):
            hand.undo()
    assert len(place.rows()) == 1
    with place.review() as hand:
        assert hand.verdicts() == ["open"] * 5
        assert place.rows() == []


class CrashError(BaseException):
    """The process ends here."""


def crash() -> None:
    raise CrashError


DECISION = st.tuples(
    st.integers(0, 4), st.sampled_from(["accept", "keep", "later", "set"]), st.integers(0, 2)
)
#: Where a process ends: after the step, with the log ahead of the table, or with the table written
#: but not marked so.
ENDS = st.sampled_from([None, None, None, "write", "mark_written"])
STEPS = st.one_of(
    st.tuples(st.just("decide"), ENDS, DECISION),
    st.tuples(st.just("undo"), ENDS),
    st.tuples(st.just("late"), st.integers(0, 4)),
    st.tuples(st.just("again"), st.integers(0, 40)),  # with so much of a line in the log
)
#: Values that are neither the label nor the proposal, of those label issues that have some.
VALUES = {
    2: [{"normal": "wear"}, {"incorrect_mask": "wear"}, {"normal": "incorrect"}],
    3: [{"mask2": "normal"}, {"mask1": "incorrect"}, {"mask2": "normal", "mask3": "normal"}],
    4: [{"*": "40"}, {"*": "7"}, {"*": "99"}],
}
OTHERS = [(A, "*", "age", "31"), (C, "normal", "mask", "wear")]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, max_size=10))
def test_any_course_of_events_equals_a_plain_list(place, steps) -> None:
    """The model: a list of (issue, verdict, rows); undo pops; a crash forgets nothing."""
    place.out.write_text(HEAD + "".join(f"{','.join(row)},by hand\n" for row in OTHERS))
    log = place.out.with_name("corrections.csv.log")
    log.unlink(missing_ok=True)
    told: list[tuple[int, str, list[tuple]]] = []

    def model(number: int, verdict: str, which: int) -> tuple[int, str, dict[str, str]]:
        """Return what to send; the list gets it, unless it says what was said."""
        issue = tuple(place.issues[["person", "photo", "field", "value"]].iloc[number])
        verdict = "keep" if verdict == "set" and number not in VALUES else verdict
        values = VALUES[number][which] if verdict == "set" else {}
        rows = [(issue[0], photo, issue[2], value) for photo, value in values.items()]
        one = (number, verdict, [issue] if verdict == "accept" else rows)
        if one != next((known for known in reversed(told) if known[0] == number), None):
            told.append(one)
        return number, verdict, values

    review = Review(place.issues, place.samples, place.out)
    state = review.state()
    for step, *rest in steps:
        version = state["version"]
        if step == "late":
            assert not review.decide(rest[0], "accept", "0.9")["stored"]
        elif step == "again":
            review.close()
            line = b'{"suspect": ["000001_male_Asian_30", "*", "gender'
            log.write_bytes(log.read_bytes() + line[: rest[0]])
            review = Review(place.issues, place.samples, place.out)
        elif step == "decide" or told:
            with pytest.MonkeyPatch.context() as patch, suppress(CrashError):
                if rest[0]:
                    part = review._table if rest[0] == "write" else review._log
                    patch.setattr(part, rest[0], crash)
                if step == "undo":
                    number = told.pop()[0]
                    assert review.undo(version)["undone"] == number
                else:
                    number, verdict, values = model(*rest[1])
                    assert review.decide(number, verdict, version, values)["stored"]
            if rest[0]:
                review.close()
                review = Review(place.issues, place.samples, place.out)
        last = {number: (verdict, rows) for number, verdict, rows in told}
        order = dict.fromkeys(number for number, *_ in reversed(told))
        assert place.rows() == OTHERS + [
            row for number in [*order][::-1] for row in last[number][1]
        ]
        state = review.state()
        verdicts = [state["decisions"][number]["verdict"] for number in range(5)]
        assert verdicts == [last.get(number, ("open",))[0] for number in range(5)]
        assert state["undo"] == len(told)
        assert review.notices == []
    review.close()


# ---- opening


def test_one_process_at_a_time(place) -> None:
    with opened_review(place.list, place.out, data_root=place.root):
        again = place.out.parent / "." / "corrections.csv"
        with (
            pytest.raises(InputError, match="another review writes there; one at a time"),
            opened_review(place.list, again, data_root=place.root),
        ):
            pass
    with opened_review(place.list, place.out, data_root=place.root) as review:
        assert review.said().startswith("0 accepted, 0 set, 0 kept, 0 for later, of 5: ")


@pytest.mark.parametrize(
    "rows, said",
    [
        ("", "lists no label issues"),
        ("gender,000009,*,gender,male,1\n", "line 2: no person '000009' among the 3"),
        ("gender,000001,*,gender,man,1\n", "line 2: gender must be male or female; got 'man'"),
        ("mask,000001,mask7,mask,wear,1\n", f"line 2: {A} has no photo 'mask7'"),
        ("gender,000001,*,race,male,1\n", "field must be one of mask, gender, age"),
    ],
)
def test_label_issues_that_fit_nobody_are_refused(place, rows, said) -> None:
    place.list.write_text("kind,person,photo,field,value,probability\n" + rows)
    with (
        pytest.raises(InputError, match=said),
        opened_review(place.list, place.out, data_root=place.root),
    ):
        pass
    assert not place.out.exists()


def test_label_issues_without_reasons_and_listed_twice_are_taken_once(place) -> None:
    row = "gender,000001,*,gender,female,1\n"
    place.list.write_text("kind,person,photo,field,value,probability\n" + 2 * row)
    with opened_review(place.list, place.out, data_root=place.root) as review:
        Hand(review).decide(0, "accept")
    assert read_corrections(place.out)["reason"].tolist() == ["reviewed"]


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "is empty; a csv begins with the names of its columns"),
        ("person,photo\n1,2\n", "column field, value is missing"),
        (HEAD + "000001,*,age,old,\n", "line 2: age must be whole years"),
        (HEAD + "000008,*,age,30,\n", "no person '000008'"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_and_left_as_it_is(place, text, said) -> None:
    place.out.write_text(text)
    with pytest.raises(InputError, match=said), place.review():
        pass
    assert place.out.read_text() == text


def test_a_table_that_breaks_meanwhile_stops_decisions_until_it_is_right_again(place) -> None:
    with place.review() as hand:
        hand.decide(0, "accept")
        good = place.out.read_text()
        place.out.write_text(good + f"{A},*,age,4")
        place.out.write_text(good + f"{A},*,ag")
        for _ in range(2):
            with pytest.raises(InputError):
                hand.decide(1, "accept")
        place.out.write_text(good)
        hand.seen = hand.review.state()
        assert hand.decide(1, "accept")["stored"]
    assert len(place.rows()) == 2


def test_the_list_itself_and_other_formats_are_no_place_for_corrections(place) -> None:
    for out, said in (
        (place.list, "list of label issues itself"),
        ("x.parquet", "end in .csv"),
    ):
        with (
            pytest.raises(InputError, match=said),
            opened_review(place.list, out, data_root=place.root),
        ):
            pass


def test_the_pace_leaves_out_breaks() -> None:
    assert pace([0, 10, 20]) is None  # too few to tell
    assert pace([0, 10, 20, 30]) == 6
    assert pace([0, 10, 20, 5000, 5010]) == 6
    assert pace([*range(0, 100, 50), *range(100, 150, 1)]) == 60  # the last twenty


def test_a_damaged_list_is_at_fault_before_the_data(tmp_path) -> None:
    (tmp_path / "corrupt.parquet").write_text("none")
    opened = opened_review(tmp_path / "corrupt.parquet", tmp_path / "c.csv", data_root=tmp_path)
    with pytest.raises(InputError, match=r"corrupt\.parquet: not a readable parquet"), opened:
        pass


OLD_LIST = """\
kind,person,photo,field,value,score,reason
gender,000001_male_Asian_30,*,gender,female,6.6,"labelled male; the photos say female: 0.97 worn"
mask,000002_female_Asian_61,*,mask,swap incorrect and normal,8.1,
"""
OLD_LOG = """\
{"suspect": ["000001_male_Asian_30", "*", "gender", "female"], "verdict": "accept", \
"corrections": [["000001_male_Asian_30", "*", "gender", "female", "reviewed: surely"]], \
"was": "male", "time": 1700000000.5}
{"written": true}
{"suspect": ["000002_female_Asian_61", "*", "mask", "swap incorrect and normal"], \
"verdict": "later", "corrections": [], "was": "incorrect_mask incorrect, normal normal", \
"time": 1700000009.0}
{"written": true}
"""


def test_lists_and_logs_of_older_versions_are_read_and_written_alike(place) -> None:
    """A log still has the key ``suspect``, and a list may be called suspects.csv."""
    place.list.write_text(OLD_LIST)
    log = place.out.with_name("corrections.csv.log")
    log.write_text(OLD_LOG)
    place.out.write_text(HEAD + f"{A},*,gender,female,reviewed: surely\n")
    with opened_review(place.list, place.out, data_root=place.root) as review:
        assert review.issues["probability"].isna().all()  # its scores were something else
        hand = Hand(review)
        assert hand.verdicts() == ["accept", "later"]
        hand.decide(1, "accept")
    assert place.rows() == [(A, "*", "gender", "female"), (B, "*", "mask", SWAP)]
    assert log.read_text().startswith(OLD_LOG + f'{{"suspect": ["{B}", "*", "mask", "{SWAP}"], ')
