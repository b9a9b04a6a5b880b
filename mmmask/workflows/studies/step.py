"""Run one workflow in a process of its own: ``python -m ...studies.step NAME CONFIG JSON``.

``NAME`` is ``train``, ``test`` or ``pack``; ``JSON`` has the other arguments of that workflow.
"""

import json
import sys

from mmmask.cli import command
from mmmask.workflows.studies.engines import DIVERGED


def main() -> None:
    """Run the workflow that the command line names."""
    name, config, given = sys.argv[1:]
    arguments = json.loads(given)
    if name == "train":
        from mmmask.workflows.train import train

        train(config, **arguments)
    elif name == "pack":
        from mmmask.workflows.pack import pack

        print(f"{arguments['out']}: {pack(config, **arguments)} photos")
    else:
        from mmmask.workflows.predict import Request, predict
        from mmmask.workflows.show_predictions import show

        prediction = predict(Request(config=config, **arguments))
        assert prediction is not None, "it is the only process"
        show(prediction)


if __name__ == "__main__":
    raise SystemExit(command(main, diverged=DIVERGED))
