"""Text from files reaches the terminal as one line of plain characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynast_deploy.command import run
from dynast_deploy.commands.show import plain_lines
from dynast_deploy.errors import DynastError
from dynast_deploy.printable import print_note, printable, printable_name
from dynast_deploy.progress import Progress


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("größer, 図, ½", "größer, 図, ½"),
        ("two\nlines\r\n and\ta tab", "two lines and a tab"),
        ("\x1b]0;title\x07\x1b[31mred", "\\x1b]0;title\\x07\\x1b[31mred"),
        ("\u202eturned\u2066", "\\u202eturned\\u2066"),
        ("half \udcff", "half \\udcff"),
        ("c1 \x9b31m", "c1 \\x9b31m"),
    ],
)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_the_result_is_printable_whatever_comes(text: str) -> None:
    assert printable(text).isprintable()


def test_an_error_is_one_printable_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command() -> None:
        raise DynastError("odd\x1b[2J.onnx: damaged\nsecond line")

    monkeypatch.setattr("sys.argv", ["dynast-test"])
    with pytest.raises(SystemExit) as ended:
        run(command)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: odd\\x1b[2J.onnx: damaged second line\n"


def test_documents_notes_and_progress_show_names_and_values_of_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An engine's metadata, a video's name: what `inspect` and `dynast-run` print."""
    document = {
        "sou\x1brce": "a\x1b[31m",
        "list": ["x\ny"],
        "map": {"k\x07": 1},
        "table": [{"n\x1b": "v\x1b"}],
    }
    lines = "\n".join(plain_lines(document))
    assert all(line.isprintable() for line in lines.splitlines())
    assert "sou\\x1brce: a\\x1b[31m" in lines
    print_note("odd\x1b[2J name\nof a file")
    with Progress("odd\x1b[2J.mp4", 1) as progress:
        progress.advance(1)
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "note: odd\\x1b[2J name of a file"
    assert err[1].startswith("odd\\x1b[2J.mp4: 1/1 frames")


def test_a_name_keeps_its_spaces_and_loses_what_steers_a_terminal() -> None:
    assert printable_name("two  spaces.png") == "two  spaces.png"
    assert printable_name("a\x1b[31m\nb.png") == "a\\x1b[31m\\nb.png"
