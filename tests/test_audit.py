"""What ``make audit`` says of the answers of pip-audit."""

import pytest

from tests.audit import verdict

FINE = {"name": "numpy", "version": "2.4.6", "vulns": []}
HOLE = {
    "name": "pillow",
    "version": "9.0.0",
    "vulns": [{"id": "CVE-2022-22817", "fix_versions": ["9.0.1"]}],
}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "status", "sentence"),
    [
        ([FINE], 0, "1 of 1 packages were asked about; known holes: 0"),
        ([FINE, HOLE], 1, "pillow 9.0.0: CVE-2022-22817, mended in 9.0.1"),
        ([FINE, UNKNOWN], 0, "not asked about: torch"),
        ([UNKNOWN, UNKNOWN], 0, "skipped: the registry reached from here has no advisories"),
    ],
)
def test_a_hole_fails_and_what_was_not_asked_about_is_named(packages, status, sentence) -> None:
    found, sentences = verdict(packages)
    assert found == status
    assert any(sentence in each for each in sentences)
