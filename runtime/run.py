"""`dynast-run`: an engine, a video (or pictures) and an exemplar become a video (or pictures)."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.command import run
from dynast_deploy.errors import DynastError
from dynast_deploy.printable import print_note
from dynast_deploy.runtime.options import ChannelOrder, Crop, Device, Fit


def dynast_run(
    engine: Annotated[Path, typer.Option(help="Engine: model.plan, model.onnx, or a PyTorch checkpoint.")],
    exemplar: Annotated[Path, typer.Option(help="Picture whose appearance is painted.")],
    video: Annotated[Path | None, typer.Option(help="Driving video.")] = None,
    images: Annotated[list[Path] | None, typer.Option(help="Driving pictures: a folder or files.")] = None,
    more_images: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    poses: Annotated[
        Path | None,
        typer.Option(help="Keypoints: OpenPose JSON (file or folder), JSONL or .npz."),
    ] = None,
    exemplar_poses: Annotated[Path | None, typer.Option(help="Keypoints of the exemplar.")] = None,
    pose_model: Annotated[
        Path | None,
        typer.Option(
            help="Pose estimator: .onnx (RTMPose, DWPose, ViTPose, YOLO pose) or MediaPipe's .task."
        ),
    ] = None,
    pose_channels: Annotated[ChannelOrder, typer.Option(help="Its channel order.")] = ChannelOrder.RGB,
    pose_score: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Keypoints that score less are not seen.",
            show_default="all of files, 0.3 of models",
        ),
    ] = None,
    parts: Annotated[
        Path | None,
        typer.Option(help="Parts of a face: masks as .npz, or a folder of CelebAMask-HQ's (pictures)."),
    ] = None,
    exemplar_parts: Annotated[Path | None, typer.Option(help="Parts of the exemplar's face.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Output.", show_default="beside the input, NAME.dynast.mp4"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Frames rendered at once.")] = 1,
    device: Annotated[Device, typer.Option(help="Where the engine runs.")] = Device.AUTO,
    fit: Annotated[
        Fit, typer.Option(help="Pictures of another shape than the engine's: keep proportions, or fill it.")
    ] = Fit.PAD,
    crop: Annotated[
        Crop, typer.Option(help="For poses: render a steady box around the person instead of everything.")
    ] = Crop.NONE,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Exemplar, driving picture, result.")
    ] = False,
    save_poses: Annotated[
        Path | None, typer.Option(help="Write the keypoints that were used, as .npz.")
    ] = None,
) -> None:
    """Paint an exemplar's appearance onto every frame of a video, or onto pictures."""
    pictures = [*(images or []), *(more_images or [])]
    if (video is None) == (not pictures):
        raise DynastError("name what to render: either --video FILE or --images FOLDER_OR_FILES")
    if more_images and not images:
        raise DynastError(f"{more_images[0]}: unexpected; pictures follow --images")
    if video is not None:
        output = output or default_video_output(video)
        _check_video_paths(video, output)
    if save_poses is not None and save_poses.suffix != ".npz":
        raise DynastError(f"--save-poses {save_poses}: keypoints are written as .npz")

    from dynast_deploy.keypoints import write_poses
    from dynast_deploy.runtime import load_engine
    from dynast_deploy.runtime.painter import check_exemplar_size, task_of
    from dynast_deploy.runtime.painters import Painters, check_crop, check_options
    from dynast_deploy.runtime.pictures import list_pictures, read_picture
    from dynast_deploy.runtime.render import Composer, render_pictures, render_video
    from dynast_deploy.runtime.video_reader import VideoReader

    with ExitStack() as stack:
        # Inputs are opened before the engine is loaded: what is wrong with them shows at once.
        exemplar_picture = read_picture(exemplar)
        check_exemplar_size(exemplar_picture, str(exemplar))
        reader = stack.enter_context(VideoReader(video)) if video is not None else None
        left_out: list[str] = []
        listed = list_pictures(pictures, left_out) if pictures else []
        for note in left_out:
            print_note(note)
        loaded = load_engine(engine, device.value)
        task = task_of(loaded.info.task, loaded.info.channels, str(engine))
        of_poses, of_parts = (
            (poses, exemplar_poses, pose_model, save_poses, pose_score is not None),
            (parts, exemplar_parts),
        )
        check_crop(task, str(engine), crop)
        check_options(task, str(engine), of_poses, of_parts)
        network_size = loaded.info.height, loaded.info.width
        painters = stack.enter_context(
            Painters(task, network_size, fit, pose_model, pose_channels, pose_score, crop)
        )
        painter = painters.of_exemplar(exemplar, exemplar_poses or exemplar_parts)
        encoded = loaded.encode_exemplar(*painter.exemplar(exemplar_picture, str(exemplar)))
        beside = exemplar_picture if side_by_side else None
        if reader is not None:
            assert video is not None
            assert output is not None
            painter = painters.of_video(video, poses or parts)
            report = render_video(loaded, encoded, painter, Composer(painter, beside), reader, output, batch)
            print(f"{output} ({report.frames} frames)")
        else:
            outputs = picture_outputs(images or [], listed, output)
            of_picture = painters.of_pictures(listed, poses or parts)
            report = render_pictures(loaded, encoded, of_picture, beside, outputs, batch)
            print(f"{report.frames} pictures: {_shown(list(outputs.values())[: report.frames])}")
    if save_poses is not None and report.keypoints is not None:
        write_poses(save_poses, report.keypoints)
    for note in report.notes:
        print_note(note)
    if report.stopped:
        print("stopped early; what was done is kept", file=sys.stderr)
        sys.exit(130)


def default_video_output(video: Path) -> Path:
    """`in.mp4` -> `in.dynast.mp4` beside it; a container that is not written becomes .mp4."""
    from dynast_deploy.runtime.video_writer import VIDEO_SUFFIXES

    suffix = video.suffix.lower() if video.suffix.lower() in VIDEO_SUFFIXES else ".mp4"
    return video.with_name(f"{video.stem}.dynast{suffix}")


def picture_outputs(
    arguments: Sequence[Path], pictures: Sequence[Path], output: Path | None
) -> dict[Path, Path]:
    """Where each picture's result goes.

    With `output` a picture's name (one picture only) or a folder, which is made; else beside the input: `a.png` becomes
    `a.dynast.png`, a folder `photos` becomes `photos.dynast` with the same names in it.
    """
    from dynast_deploy.runtime.pictures import PICTURE_SUFFIXES, WRITTEN_SUFFIXES
    from dynast_deploy.runtime.video_writer import VIDEO_SUFFIXES

    ending = "" if output is None or output.is_dir() else output.suffix.lower()
    if ending in PICTURE_SUFFIXES.union(VIDEO_SUFFIXES).difference(WRITTEN_SUFFIXES):
        raise DynastError(f"{output}: pictures are written as {', '.join(WRITTEN_SUFFIXES)}, not as {ending}")
    if output is not None and ending in WRITTEN_SUFFIXES:
        if len(pictures) != 1:
            raise DynastError(
                f"-o {output} is one picture, and {len(pictures)} are to be rendered; name a folder"
            )
        return {pictures[0]: output}
    folder = output
    if folder is None and len(arguments) == 1 and arguments[0].is_dir():
        folder = arguments[0].resolve().with_name(f"{arguments[0].resolve().name}.dynast")
    found: dict[Path, Path] = {}
    for picture in pictures:
        suffix = picture.suffix.lower() if picture.suffix.lower() in WRITTEN_SUFFIXES else ".png"
        name = f"{picture.stem}{suffix}" if folder else f"{picture.stem}.dynast{suffix}"
        found[picture] = (folder or picture.parent) / name
    if len(set(found.values())) < len(found):
        raise DynastError(
            "two of the pictures have the same name, so one result would replace the other; rename one"
        )
    if folder is not None:
        if folder.exists() and not folder.is_dir():
            raise DynastError(f"{folder} is a file; name a folder for the results")
        folder.mkdir(parents=True, exist_ok=True)
    return found


def _shown(paths: list[Path]) -> str:
    return (
        str(paths[0]) if len(paths) == 1 else f"in {', '.join(sorted({str(path.parent) for path in paths}))}"
    )


def _check_video_paths(video: Path, output: Path) -> None:
    """What can be seen to be wrong before an engine is loaded."""
    from dynast_deploy.runtime.video_writer import VIDEO_SUFFIXES

    if not video.is_file():
        raise DynastError(f"{video}: no such video file")
    if output.suffix.lower() not in VIDEO_SUFFIXES:
        raise DynastError(f"{output}: videos are written as {', '.join(VIDEO_SUFFIXES)}")
    if not output.parent.is_dir():
        raise DynastError(f"{output}: the folder {output.parent} does not exist")


def main() -> None:
    # Whoever stops the process politely gets what Ctrl-C gives: a playable file of what was done.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run(dynast_run)


if __name__ == "__main__":
    main()
