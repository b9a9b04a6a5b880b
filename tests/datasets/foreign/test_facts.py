import pytest

from mmmask.datasets.foreign.facts import facts_of, joined, read_map, value_of
from mmmask.errors import InputError


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", {}),
        ("wear", {"mask": "wear"}),
        ("17", {"label": 17}),
        (">=60", {"age_from": 60}),
        ("<30", {"age_to": 29}),
        ("30-59", {"age_from": 30, "age_to": 59}),
        ("gender:male, age:60-", {"gender": "male", "age_from": 60}),
        ("incorrect,female,age:25", {"mask": "incorrect", "gender": "female", "age": 25}),
    ],
)
def test_a_text_says_what_it_says(text, facts) -> None:
    assert facts_of(text) == facts


def test_a_number_alone_is_of_the_field_that_is_asked() -> None:
    assert facts_of("12", "age") == {"age": 12}
    assert facts_of("60+", "age") == {"age_from": 60}
    assert facts_of("33.0", "age") == {"age": 33}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("weer", "'weer' is none of wear, incorrect, normal, male, female, a class from 0 to 17, "
                 "or a range of ages such as 60-; did you mean wear"),
        ("18", "label must be a class from 0 to 17; got '18'"),
        ("gender:femal", "gender must be one of male, female; got 'femal'; did you mean female"),
        ("gendre:male", "the field must be one of mask, gender, age, age_from, age_to, label; got "
                        "'gendre'; did you mean gender"),
        ("age:121", "age must be from 0 to 120 years; got '121'"),
        ("age:<0", "age must be from 0 to 120 years; got '<0'"),
        ("age:-1", "age must be whole years, or a range such as 30-59 or 60-; got '-1'"),
        ("age:25.5", "age must be whole years, or a range such as 30-59 or 60-; got '25.5'"),
        ("age:59-30", "age must be whole years, or a range such as 30-59 or 60-; got '59-30'"),
        ("age_to:30-", "age_to must be whole years; got '30-'"),
        ("male,female", "gender is 'male', and also said to be 'female'"),
        ("age:30,age_from:31", "age is 30, and also said to be from 31 to 120"),
        ("age_from:31,age_to:30", "age_from must be at most age_to; got 31 and 30"),
    ],
)  # fmt: skip
def test_a_text_that_is_not_understood_is_refused_in_a_sentence(text, sentence) -> None:
    with pytest.raises(InputError) as refusal:
        facts_of(text)
    assert str(refusal.value) == sentence


def test_an_age_in_years_makes_a_range_around_it_needless() -> None:
    assert joined({"age_from": 30, "age_to": 39}, value_of("age", "33")) == {"age": 33}


def test_a_mapping_knows_something_or_nothing_or_leaves_out() -> None:
    assert read_map(["a=wear", "b=", "c=-"]) == {"a": {"mask": "wear"}, "b": {}, "c": None}
    assert read_map(["age:old=60-"], by_field=True) == {"age:old": {"age_from": 60}}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["wear"], "--map takes NAME=VALUE; got 'wear'"),
        (["a=wear", "a=normal"], "--map names 'a' twice"),
        (["a=mael"], "--map a: 'mael' is none of"),
    ],
)
def test_a_wrong_mapping_is_refused(texts, sentence) -> None:
    with pytest.raises(InputError) as refusal:
        read_map(texts)
    assert str(refusal.value).startswith(sentence)
