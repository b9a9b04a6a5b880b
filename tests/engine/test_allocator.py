import subprocess
import sys

import pytest

CODE = """
import resource, sys, torch
from mmmask.engine.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):  # until freed blocks fit, with their alignment
    torch.ones(12, 1024, 1024)
before = faults()
for _ in range(5):
    torch.ones(12, 1024, 1024)
print(faults() - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_memory_that_was_freed_is_not_paid_for_again() -> None:
    assert page_faults("keep") < page_faults("default") / 10
