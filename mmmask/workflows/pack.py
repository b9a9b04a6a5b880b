"""Pack a data root's photos for a config, where they are not packed already."""

from collections.abc import Sequence
from pathlib import Path

from mmmask.config import parse_options
from mmmask.datasets.packed import ensure_pack


def pack(
    config: str | Path,
    *,
    data_root: str | None = None,  # None keeps the config's
    out: str | Path,
    options: Sequence[str] = (),
) -> int:
    """Pack the photos of a data root as a config preprocesses them; return how many."""
    import mmmask.register  # noqa: F401 - the transforms
    from mmmask.engine.runner_config import load_checked

    return ensure_pack(
        load_checked(config, parse_options(options), data_root=data_root, pack=str(out))
    )
