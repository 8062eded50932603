"""`dynast-run`: an engine, a video (or pictures) and an exemplar become a video (or pictures)."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynast_deploy.command import run
from dynast_deploy.commands.option_groups import expand_groups
from dynast_deploy.condition_options import RenderOptions
from dynast_deploy.errors import DynastError
from dynast_deploy.files.result_folder import result_folder
from dynast_deploy.files.written_files import check_written, check_written_folder
from dynast_deploy.printable import print_note
from dynast_deploy.runtime.options import Device
from dynast_deploy.runtime.pipeline.job_files import picture_outputs

if TYPE_CHECKING:
    from dynast_deploy.media.frame_sink import FrameSink
    from dynast_deploy.size import Size


@expand_groups
def dynast_run(
    engine: Annotated[Path, typer.Option(help="Engine: model.plan, model.onnx, or a PyTorch checkpoint.")],
    exemplar: Annotated[Path, typer.Option(help="Picture whose appearance is taken.")],
    video: Annotated[Path | None, typer.Option(help="Driving video.")] = None,
    images: Annotated[list[Path] | None, typer.Option(help="Driving pictures: a folder or files.")] = None,
    more_images: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    options: RenderOptions = RenderOptions(),
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Output.", show_default="next to the input, NAME.dynast.mp4"),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Frames rendered at once.")] = 1,
    device: Annotated[Device, typer.Option(help="Where the engine runs.")] = Device.AUTO,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Exemplar, driving picture, result.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first picture that cannot be rendered.")
    ] = False,
) -> None:
    """Render every frame of a video, or pictures, with the appearance of an exemplar.

    Raises:
        DynastError: Where options exclude each other, an input cannot be read, the output cannot be written, or the
            engine cannot run.
    """
    pictures = [*(images or []), *(more_images or [])]
    if (video is None) == (not pictures):
        raise DynastError("name what to render: either --video FILE or --images FOLDER_OR_FILES")
    if more_images and not images:
        raise DynastError(f"{more_images[0]}: unexpected; pictures follow --images")
    if video is not None:
        output = _checked_output(video, output)
    if options.save_poses is not None and options.save_poses.suffix != ".npz":
        raise DynastError(f"--save-poses {options.save_poses}: keypoints are written as .npz")

    from dynast_deploy.media.picture_files import list_pictures, read_picture
    from dynast_deploy.runtime import load_engine
    from dynast_deploy.runtime.pipeline.compose import Composer
    from dynast_deploy.runtime.pipeline.condition_drawer import check_exemplar_size, task_of
    from dynast_deploy.runtime.pipeline.condition_sources import (
        ConditionDrawers,
        check_options,
        sources_read,
    )
    from dynast_deploy.runtime.pipeline.frames_in_out import (
        open_picture_sink,
        open_pictures,
        open_sink,
        open_source,
        sink_kind,
    )
    from dynast_deploy.runtime.pipeline.render_pictures import render_pictures
    from dynast_deploy.runtime.pipeline.render_video import render_video
    from dynast_deploy.runtime.pipeline.report import conclude

    with ExitStack() as stack:
        # Inputs are opened, and outputs begun, before the engine is loaded: what is wrong with them shows at once.
        exemplar_picture = read_picture(exemplar)
        check_exemplar_size(exemplar_picture, str(exemplar))
        source = stack.enter_context(open_source(video)) if video is not None else None
        left_out: list[str] = []
        listed = list_pictures(pictures, left_out) if pictures else []
        for note in left_out:
            print_note(note)
        outputs = picture_outputs(images or [], listed, output) if pictures else {}
        if pictures and output not in outputs.values():
            for folder in {path.parent for path in outputs.values()}:
                if output is not None:
                    check_written_folder("-o", folder, {"folder of the pictures being read": images})
                stack.enter_context(result_folder(folder))
        check_written(
            {
                "-o": sink_kind(str(output)).file(str(output)) if video is not None else outputs.values(),
                "--save-poses": options.save_poses,
            },
            {
                "engine being read": engine,
                "exemplar being read": exemplar,
                "video being read": video,
                "picture being read": listed,
                "pose model being read": options.pose_model,
                **sources_read([video] if video is not None else listed, options),
                **sources_read([exemplar], options, "exemplar_", "exemplar's "),
            },
        )

        loaded = stack.enter_context(load_engine(engine, device.value))
        task = task_of(loaded.info.task, loaded.info.channels, str(engine))
        check_options(task, str(engine), options)
        drawers = stack.enter_context(ConditionDrawers(task, loaded.info.size, options))
        drawer = drawers.of_exemplar(exemplar)
        encoded = loaded.encode_exemplar(*drawer.exemplar(exemplar_picture, str(exemplar)))
        shown_exemplar = exemplar_picture if side_by_side else None
        if source is not None:
            assert video is not None
            drawer = drawers.of_video(video)

            def open_output(size: Size) -> FrameSink:
                assert output is not None
                return open_sink(output, size, source)

            report = render_video(
                loaded, encoded, drawer, Composer(drawer, shown_exemplar), source, open_output, batch
            )
        else:
            of_picture = drawers.of_pictures(listed)
            pictures_in, pictures_out = open_pictures(listed), open_picture_sink(outputs)
            report = render_pictures(
                loaded, encoded, of_picture, shown_exemplar, pictures_in, pictures_out, batch, strict
            )
        if report.outputs:
            print(report.summary(), flush=True)
        status = conclude(report, output, options.save_poses)
    if status:
        sys.exit(status)


def main() -> None:
    """Run `dynast_run` as a program of its own."""
    run(dynast_run)


def _checked_output(video: Path, output: Path | None) -> Path:
    """Where the result goes.

    Raises:
        DynastError: For what can be found wrong before an engine is loaded.
    """
    from dynast_deploy.runtime.pipeline.frames_in_out import sink_kind, source_kind

    kind = source_kind(str(video))
    kind.check(str(video))
    output = output or kind.output(str(video))
    if output is None:
        raise DynastError(f"--video {video}: name the output, too: -o FILE")
    sink_kind(str(output)).check(str(output))
    return output


if __name__ == "__main__":
    main()
