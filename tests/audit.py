"""Do the packages of requirements/lock.txt have known holes? ``make audit`` asks by pip-audit.

Exit status 1 where one has. Where nobody can be asked, one sentence says so, and the status is 0.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements" / "lock.txt"
COMMAND = ("-m", "pip_audit", "--disable-pip", "--no-deps", "-f", "json", "-r", str(LOCK))


def verdict(packages: list[Mapping[str, Any]]) -> tuple[int, list[str]]:
    """Return exit status and sentences of what pip-audit found of each package."""
    unknown = [each["name"] for each in packages if "skip_reason" in each]
    if len(unknown) == len(packages):
        return 0, ["skipped: the registry reached from here has no advisories of any package"]
    holes = [
        f"{each['name']} {each['version']}: {hole['id']}, mended in "
        f"{' or '.join(hole['fix_versions']) or 'no version yet'}"
        for each in packages
        for hole in each.get("vulns", [])
    ]
    asked = f"{len(packages) - len(unknown)} of {len(packages)} packages were asked about"
    missed = [f"not asked about: {', '.join(unknown)}"] if unknown else []
    return int(bool(holes)), [*holes, f"{asked}; known holes: {len(holes)}", *missed]


def audit() -> int:
    """Ask, and print the answer."""
    done = subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True)
    try:
        status, sentences = verdict(json.loads(done.stdout)["dependencies"])
    except ValueError:  # no answer
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        status, sentences = 0, [f"skipped: the advisories cannot be reached ({why})"]
    print("audit:", *sentences, sep="\n  " if len(sentences) > 1 else " ")
    return status


if __name__ == "__main__":
    raise SystemExit(audit())
