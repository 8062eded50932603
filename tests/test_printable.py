"""Text from files reaches the terminal as one line of plain characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynast_deploy.command import run
from dynast_deploy.errors import DynastError
from dynast_deploy.printable import printable


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
