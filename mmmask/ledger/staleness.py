"""Is a submission still what its config, code and files say? Found out before it is sent.

Predictions are stale where one of these no longer is what it was:

* a file that they are from: the checkpoint, or a table of predictions, has been written over or
  removed since, as a later run does;
* the config: the file that the run was started from, its parents included, or the config that was
  given for the test, has another value than the run, of something that weights depend on and
  that the run's own command line did not set;
* the code: the sources that training and prediction import, see
  :func:`mmmask.ledger.provenance.code_version`, have changed between training and prediction.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmmask.blocks import BLOCKS, OPTIONAL_BLOCKS
from mmmask.errors import InputError
from mmmask.ledger.cards import CARD, read_card, session_of
from mmmask.ledger.config_differences import changes, decides_weights, flat_config, flat_text
from mmmask.ledger.provenance import file_hash, nested
from mmmask.tables import read_provenance

#: Blocks that a test leaves as they are, so that its config can be compared with the run's.
_TESTED_BLOCKS = {*BLOCKS, *OPTIONAL_BLOCKS} - {"pretrained", "tracking", "tta"}


def stale_reasons(origin: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each way in which predictions are stale, or cannot be judged.

    ``origin`` is their provenance; that of the tables that it names is followed.
    """
    found: dict[str, dict[str, None]] = {}  # what is wrong -> with what, in order
    for part in parts_of(origin):
        for path, reason in (*_changed_files(part), *_changed_runs(part)):
            found.setdefault(reason, {})[path] = None
    return [f"{', '.join(where)}: {reason}" for reason, where in found.items()]


def parts_of(origin: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a provenance and all those inside it, also in the tables that it names by path."""
    for part in nested(origin):
        yield part
        path = Path(part.get("path") or "")
        followed = path.suffix == ".parquet" and "provenance" not in part and path.is_file()
        # Never a table written over since: its provenance is another's, if not this very one.
        if followed and file_hash(path) == part.get("hash"):
            yield from parts_of(read_provenance(path))


def checkpoints_of(origin: Mapping[str, Any]) -> list[Path]:
    """Return the checkpoints behind predictions, each once."""
    named = (part.get("checkpoint") for part in parts_of(origin))
    return list(dict.fromkeys(Path(one) for one in named if isinstance(one, str)))


def _changed_files(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, key in (("checkpoint", "checkpoint_hash"), ("path", "hash")):
        if isinstance(part.get(name), str) and isinstance(part.get(key), str):
            path = Path(part[name])
            if not path.is_file():
                yield str(path), "is no longer there; a run that goes on removes old checkpoints"
            elif file_hash(path) != part[key]:
                yield str(path), "has been written over since it was predicted from"


def _changed_runs(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not isinstance(part.get("checkpoint"), str):
        return
    checkpoint = Path(part["checkpoint"])
    run = str(checkpoint.parent)
    try:
        card = read_card(run)
    except InputError:
        yield run, f"has no readable {CARD}, so it is unknown whether its config is stale"
        return
    session = session_of(card, checkpoint)
    try:
        changed = changed_config(card, session, part.get("config"))
    except (InputError, SyntaxError) as error:
        yield run, f"its config cannot be compared: {error}"
        changed = {}
    if changed:
        some = [f"{name} was {was}, is {now}" for name, (was, now) in list(changed.items())[:3]]
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        source = session.get("config_file") or "the config"
        yield run, f"{source} has changed since the training: {'; '.join(some)}{more}"
    codes = [session.get("code") or {}, part.get("code") or {}]
    if all("hash" in code for code in codes) and codes[0]["hash"] != codes[1]["hash"]:
        was, then = (
            f"{str(code.get('commit'))[:10]}{'+' if code.get('dirty') else ''}" for code in codes
        )
        yield run, f"mmmask's code changed between training (commit {was}) and prediction ({then})"


def changed_config(
    card: Mapping[str, Any], session: Mapping[str, Any], tested: str | None
) -> dict[str, tuple]:
    """Return dotted name -> (value in the training, now), where a config has changed since.

    ``session`` of the card wrote the checkpoint; ``tested`` is the text of the test's config.
    """
    text = card.get("configs", {}).get(session.get("config_hash"))
    if text is None:
        return {}
    trained, overrides = flat_text(text), session.get("overrides", {})
    found: dict[str, tuple] = {}
    source = Path(session.get("config_file") or "")
    if source.is_file():
        # The same overrides again: what the command line set does not depend on the file.
        again = {**flat_config(source, {}), **overrides}
        found |= changes(trained, again)
    if tested is not None:
        given = flat_text(tested)
        blocks = {name for name in {*trained, *given} if name.split(".")[0] in _TESTED_BLOCKS}
        found |= changes(*({name: one.get(name) for name in blocks} for one in (trained, given)))
    return {
        name: pair
        for name, pair in found.items()
        if decides_weights(name) and name not in overrides
    }
