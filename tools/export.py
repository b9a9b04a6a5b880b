#!/usr/bin/env python
r"""Write a trained checkpoint as an ONNX model, which mmmask.Predictor runs without torch.

The model holds normalisation, class names and how its photos are cropped and resized. It is
written only if it answers as the checkpoint does.

Example: python tools/export.py configs/effnet_b3_arcface.py \
    work_dirs/effnet_b3_arcface/best_macro_f1_epoch_9.pth --out model.onnx
Then:    python -c "import mmmask; print(mmmask.readable(mmmask.Predictor('model.onnx')('photos')))"
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import FEW, output_file


def main() -> None:
    parser = parser_of(__doc__)
    add_shared(parser, "config", "checkpoint")
    parser.add_argument(
        "--out",
        type=output_file,
        required=True,
        metavar="ONNX",
        help="the model, such as model.onnx",
    )
    add_shared(parser, "--data-root", help="photos to check with; default: the config's, data")
    parser.add_argument(
        "--held-out", action="store_true", help="check on everybody held out, and score both"
    )
    parser.add_argument(
        "--int8",
        type=output_file,
        metavar="ONNX",
        help="also a model of 8 bits, scored on the people held out",
    )
    parser.add_argument("--opset", type=FEW, metavar="N", help="version of ONNX's operators")
    add_shared(parser, "--cfg-options")
    args = vars(parser.parse_args())

    from mmmask.workflows.export import export
    from mmmask.workflows.show_export import show_export

    config, checkpoint = args.pop("config"), args.pop("checkpoint")
    show_export(*export(config, checkpoint, **args), checkpoint)


if __name__ == "__main__":
    raise SystemExit(command(main))
