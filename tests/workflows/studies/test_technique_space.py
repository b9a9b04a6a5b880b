"""A file of techniques: what it may say, and what is refused."""

import pytest

from mmmask.errors import InputError
from mmmask.workflows.studies.partial_labels import HIDDEN
from mmmask.workflows.studies.technique_space import BASE, read_techniques

BASELINE = "dict(name='b', training=dict(lr=0.5))"


def written(tmp_path, technique: str, *, features="dict()", baseline=BASELINE):
    path = tmp_path / "list.py"
    path.write_text(
        f"features = {features}\n"
        f"groups = [dict(name='g', baseline={baseline}, techniques=[{technique}])]\n"
    )
    return path


def test_a_technique_has_what_its_baseline_has_but_for_what_it_states(tmp_path) -> None:
    baseline = "dict(name='b', claim='x', config={'head.dropout': 0.1}, training=dict(lr=0.5))"
    path = written(tmp_path, "dict(name='t', config={'data.old_from': 58})", baseline=baseline)
    (group,) = read_techniques(path).groups
    (technique,) = group.techniques
    assert technique.config == {"head.dropout": 0.1, "data.old_from": 58}
    assert (technique.schedule.lr, technique.claim, technique.files) == (0.5, "", (BASE,))


def test_features_that_nobody_uses_are_not_needed(tmp_path) -> None:
    features = "dict(a=dict(view='hflip'), b=dict(columns=(0, 2)))"
    path = written(tmp_path, "dict(name='t', test_views=['base', 'a'])", features=features)
    assert read_techniques(path).needed == [BASE, "a"]


def test_the_shipped_techniques_are_read() -> None:
    space = read_techniques("techniques")
    assert len({group.name for group in space.groups}) == len(space.groups) > 5
    assert set(space.features) <= set(space.needed)


def test_partial_labels_are_read() -> None:
    kinds = {one.hide["kind"] for group in read_techniques("partial_labels").groups
             for one in group.techniques if one.hide}  # fmt: skip
    assert kinds == set(HIDDEN)


def test_each_group_gets_a_technique_without_each_source() -> None:
    groups = read_techniques("sources", ["mine", "more"]).groups
    assert [one.without_source for one in groups[0].techniques] == ["mine", "more"]
    assert groups[1].techniques[0].hidden == groups[1].baseline.hidden is not None
    with pytest.raises(InputError, match="needs techniques"):
        read_techniques("sources")


@pytest.mark.parametrize(
    ("technique", "message"),
    [
        ("dict(name='t', sampelr=None)", "unknown key 'sampelr'; known are .*did you mean sampler"),
        ("dict(claim='t')", "name is missing"),
        ("dict(name='b')", "each with a name of its own"),
        ("dict(name='t', config={'optim_wrapper.optimizer.lr': 1})", "config may change head, "),
        ("dict(name='t', training=dict(epochs=3))", "training: unknown key 'epochs'"),
        ("dict(name='t', training=dict(lr=-1))", "training.lr must be above 0; got -1"),
        ("dict(name='t', expects='more')", "expects must be one of better, worse, None"),
        ("dict(name='t', decision='macro-f1')", "decision macro-f1 needs a calibration"),
        ("dict(name='t', calibration='platt')", "calibration must be one of None, attribute"),
        ("dict(name='t', corrections='all')", "corrections must be one of None, found"),
        ("dict(name='t', people=0)", "people must be a share from 0 to 1; got 0"),
        ("dict(name='t', label_noise=1)", "label_noise must be a share"),
        ("dict(name='t', pseudo_labels=1)", "pseudo_labels must be a share"),
        ("dict(name='t', features=['layer'])", "features must be among base; got 'layer'"),
        (
            "dict(name='t', features=['base', 'base'], test_views=['base'])",
            "views must be of one file",
        ),
        ("dict(name='t', config={'head.type': 'AgeHead'})", "must predict the 18 classes"),
        ("dict(name='t', learn='some')", "learn must be one of all, complete, pseudo; got 'some'"),
        ("dict(name='t', learn='pseudo')", "learn='pseudo' has no effect without hide"),
        ("dict(name='t', hide=dict(kind='half'))", "hide.kind must be one of mask_everywhere, "),
        ("dict(name='t', hide=dict(kind='thirds', share=1))", "hide of thirds has kind; got 'sh"),
        ("dict(name='t', hide=dict(kind='mask_everywhere', share=1))", "between 0 and 1; got 1"),
        ("dict(name='t', hide=dict(kind='thirds'), learn='complete')", "which leaves complete"),
        (
            "dict(name='t', hide=dict(kind='thirds'), pseudo_labels=0)",
            "pseudo_labels needs the lab",
        ),
        ("dict(name='t', hidden=dict(width=8), training=dict(steps=3))", "unknown key 'steps'"),
        ("dict(name='t', hidden=dict(depth=8), training={})", "hidden: unknown key 'depth'"),
        ("dict(name='t', hidden=dict(), training={})", "hidden: width is missing"),
        (
            "dict(name='t', hidden=dict(width=8), training={}, train_views=['base'])",
            "train_views has no effect on a hidden layer",
        ),
        ("3", "must be a dict with name"),
    ],
)
def test_a_wrong_technique_is_refused(tmp_path, technique, message) -> None:
    with pytest.raises(InputError, match=message):
        read_techniques(written(tmp_path, technique))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("dict(base=dict())", "has letters, digits and _, and is not base"),
        ("{'a/b': dict()}", "has letters"),
        ("dict(a=dict(layer=3))", "unknown key 'layer'"),
        ("dict(a=dict(view='upside_down'))", "view must be one of identity, hflip"),
        ("dict(a=dict(columns=(0, 2), view='hflip'))", "without other keys"),
        ("[]", "features must be a dict"),
    ],
)
def test_wrong_features_are_refused(tmp_path, features, message) -> None:
    with pytest.raises(InputError, match=message):
        read_techniques(written(tmp_path, "dict(name='t')", features=features))


def test_a_file_of_something_else_is_refused(tmp_path) -> None:
    message = "must state `features` and `groups` and nothing else; got space"
    with pytest.raises(InputError, match=message):
        read_techniques("arcface")
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0")
    with pytest.raises(InputError, match="not a readable list of techniques"):
        read_techniques(broken)
