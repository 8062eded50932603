"""What a job did, and the lines that say so."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from dynast_deploy.files.names import unused
from dynast_deploy.keypoints import Poses, write_poses
from dynast_deploy.printable import print_note, printable, printable_name
from dynast_deploy.stop_request import StopRequest

SHOWN_FAILURES = 20
"""Of pictures that could not be rendered; of further ones only the number is printed."""


@dataclass(frozen=True)
class Report:
    """What a job did.

    frames: rendered. signal: that ended it early, 0 where none did; `stopped` says whether it ended early so.
    notes: one line on each thing a person should know. failures: one line on each thing that went wrong and did not
    end everything; what is good is kept. whole: whether every frame or picture was rendered. outputs: what was written,
    by the name it has; `video` is the one that is a video.
    """

    frames: int
    stopped: bool
    notes: list[str]
    keypoints: Poses | None
    signal: int = 0
    failures: tuple[str, ...] = ()
    whole: bool = True
    outputs: tuple[Path, ...] = ()
    video: Path | None = None

    def summary(self) -> str:
        """What was made and where, in one line."""
        if self.video is not None:
            return f"{printable_name(self.video)} ({_number(self.frames, 'frame')})"
        folders = sorted({printable_name(path.parent) for path in self.outputs})
        where = printable_name(self.outputs[0]) if len(self.outputs) == 1 else f"in {', '.join(folders)}"
        return f"{_number(self.frames, 'picture')}: {where}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def say_stopping(number: int) -> None:
    """Tell the user that the signal of this number was heard; for `StopRequest`."""
    print("stopping; what was done is kept (Ctrl-C twice more ends at once)", file=sys.stderr)


def conclude(report: Report, output: Path | None, save_poses: Path | None = None) -> int:
    """Write the keypoints that were used, and say what was not done; the exit status.

    `output` is where a video was to go. The status is 0 where everything was done, 1 where something failed, and 128
    and the number of the signal that ended it early.

    Raises:
        DynastError: Where the keypoints cannot be written.
    """
    if save_poses is not None and report.keypoints is not None:
        # Keypoints of a part replace no earlier file either.
        kept = save_poses if report.whole or not save_poses.exists() else unused(save_poses, "partial")
        with StopRequest():  # a signal that comes twice must not end what the first one began
            write_poses(kept, report.keypoints)
        if kept != save_poses:
            print(f"{kept}: the keypoints of what was done; {save_poses} stays as it was", file=sys.stderr)
    for note in report.notes:
        print_note(note)
    for failure in report.failures[:SHOWN_FAILURES]:
        print(f"error: {printable(failure)}", file=sys.stderr)
    if (more := len(report.failures) - SHOWN_FAILURES) > 0:
        print(f"error: {more} more pictures cannot be rendered", file=sys.stderr)
    if not report.whole:
        print(printable(_what_is_kept(report, output)), file=sys.stderr)
    if report.stopped:
        return 128 + report.signal
    return 1 if report.failures else 0


def _what_is_kept(report: Report, output: Path | None) -> str:
    words = "stopped early; " if report.stopped else ""
    if not report.outputs:
        return f"{words}nothing was done"
    words += "what was done is kept"
    if report.video is not None:
        words += f" in {report.video}"
        if output is not None and report.video != output:
            words += f"; {output} stays as it was"
    return words
