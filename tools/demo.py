#!/usr/bin/env python
r"""Answer photos with a trained model: in the browser, in a folder, or in a video.

Example: python tools/demo.py configs/effnet_b3_arcface.py \
    work_dirs/effnet_b3_arcface/best_macro_f1_epoch_9.pth
Or:      python tools/demo.py model.onnx --photos holiday --out holiday.csv
Or:      python tools/demo.py model.onnx --video street.mp4 --out framed.mp4
"""

from mmmask.cli import add_shared, command, parser_of
from mmmask.option_types import PORT, output_file, whole


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("model", help="config of the run, or a model of tools/export.py (.onnx)")
    parser.add_argument("checkpoint", nargs="?", help="with a config: its checkpoint")
    parser.add_argument("--photos", metavar="DIR", help="answer a folder in place of the browser")
    parser.add_argument("--video", metavar="FILE", help="answer a video in place of the browser")
    written = "file to write: .csv, .parquet, .png or .jpg for photos, .mp4 for a video"
    parser.add_argument("--out", type=output_file, metavar="PATH", help=written)
    parser.add_argument(
        "--every", type=whole(1), metavar="N", help="look at each N-th frame; default: 5 a second"
    )
    parser.add_argument("--calibration", metavar="JSON", help="calibration of tools/calibrate.py")
    parser.add_argument("--tta", action="store_true", help="average with the mirror image")
    add_shared(parser, "--old-from")
    add_shared(
        parser, "--unreadable", choices=("refuse", "skip"), default=None,
        help="leave out photos of --photos that cannot be read; default: refuse",
    )  # fmt: skip
    parser.add_argument("--port", type=PORT, default=8000, help="port of the page; default: 8000")
    add_shared(parser, "--device", "--cfg-options")
    args = parser.parse_args()
    if args.photos and args.video:
        parser.error("--photos and --video exclude each other; leave one of them out")
    if args.unreadable and not args.photos:
        parser.error("--unreadable needs --photos")
    if bool(args.out) != bool(args.photos or args.video):
        parser.error("--out needs --photos or --video, and each of them needs --out")

    from mmmask.reports.local_server import check_installed, serve
    from mmmask.reports.output import counted
    from mmmask.workflows.demo.answer import answer_photos, answer_video, open_reader

    if not args.out:
        check_installed()
    reader = open_reader(
        args.model,
        args.checkpoint,
        calibration=args.calibration,
        tta=args.tta,
        old_from=args.old_from,
        options=args.options,
        device=args.device,
    )
    print(reader.finder.said())
    if args.photos:
        table = answer_photos(reader, args.photos, args.out, unreadable=args.unreadable or "refuse")
        photos = counted(table["image"].nunique(), "photos")
        print(f"{args.out}: {counted(len(table), 'faces')} in {photos}")
    elif args.video:
        seen = answer_video(reader, args.video, args.out, every=args.every)
        print(f"{args.out}: {seen.frames:,} frames, {seen.looks:,} of them looked at")
        if seen.announced > seen.frames:
            print(f"{args.video}: ends early; it announces {seen.announced:,} frames")
    else:
        from mmmask.workflows.demo.app import demo_app

        serve(demo_app(reader), args.port, "demo")


if __name__ == "__main__":
    raise SystemExit(command(main))
