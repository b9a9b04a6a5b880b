"""The text of a config, formatted once per process instead of at each access."""

from typing import Any

from yapf.yapflib import yapf_api


def format_each_config_once() -> None:
    """Let yapf's answers be kept; to be called before MMEngine is imported.

    MMEngine formats the same config six times per training, 0.1 to 1 second each, and more the
    more of its values are nested or long.
    """
    format_code, known = yapf_api.FormatCode, {}

    def formatted(text: str, **options: Any) -> tuple[str, bool]:
        key = text, repr(options)
        if key not in known:
            known[key] = format_code(text, **options)
        return known[key]

    yapf_api.FormatCode = formatted
