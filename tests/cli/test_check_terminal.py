"""`runengine check` on a terminal: the bar of what is read never stands among the lines of the report."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path

import pytest

from runengine.cli import check
from tests.cli.test_check import write
from tests.samples import T0_S as T0
from tests.validation.checking import clean

_CODES = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|[\r\n]|[^\r\n\x1b]+")
_COLUMNS = 120


def shown(written: str) -> list[str]:
    """What a terminal shows in the end, without colours; it knows as much as is written here."""
    lines, row, column = [""], 0, 0
    for each in _CODES.finditer(written):
        text, number, letter = each[0], each[1], each[2]
        if text == "\r":
            column = 0
        elif text == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif letter == "A":
            row = max(row - int(number or 1), 0)
        elif letter == "K":
            assert number == "2"
            lines[row] = ""
        elif letter is None:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
        else:
            assert letter in "mhl", f"{text!r} is new"
    return "\n".join(line.rstrip() for line in lines).rstrip("\n").split("\n")


def on_a_terminal(argv: Sequence[str], *, bar: bool) -> str:
    """What a terminal gets; standard error goes there too, where there is to be a bar."""
    command = [sys.executable, "-m", "runengine", "check", *argv]
    surroundings = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")}
    surroundings |= {"TERM": "xterm", "PYTHONPATH": str(Path(check.__file__).parents[2])}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, _COLUMNS, 0, 0))
    err = theirs if bar else subprocess.DEVNULL
    written = b""
    with subprocess.Popen(command, stdout=theirs, stderr=err, env=surroundings, stdin=subprocess.DEVNULL) as running:
        os.close(theirs)
        while piece := _read(ours):
            written += piece
        running.wait(60)
    os.close(ours)
    return written.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A recording of 6 MB, with a finding now and then."""
    quiet = [clean("queued", id=f"run_{n}", thread_id=f"thread_{n}", started_at=None) for n in range(200)]
    bad = [clean("queued", id=f"run_{n}", thread_id=f"t_{n}", failed_at=T0 + 5) for n in range(900, 930)]
    path = tmp_path_factory.mktemp("large") / "a [b].jsonl"
    return write(path, *[each for one in bad for each in (*quiet, one)])


@pytest.mark.parametrize("form", ["text", "jsonl", "github"])
def test_the_bar_makes_way(large: str, form: str) -> None:
    """With the bar the terminal shows in the end, line by line, what it shows without; and there was a bar."""
    assert Path(large).stat().st_size > 4 * 1024 * 1024
    plain, with_bar = (on_a_terminal([large, "--format", form], bar=bar) for bar in (False, True))
    assert "a [b].jsonl ━" in re.sub(r"\x1b\[[\d;]*m", "", with_bar)
    assert "━" not in plain
    assert shown(with_bar) == shown(plain)
    assert len(shown(plain)) >= 30
    assert with_bar.rindex("\x1b[?25h") > with_bar.rindex("\x1b[?25l")  # the cursor is there again


def test_the_bar_alone(large: str, tmp_path: Path) -> None:
    """Where the report goes to a file the bar stays until the end, and leaves nothing behind."""
    written = on_a_terminal([large, "-o", str(tmp_path / "report")], bar=True)
    assert written.count("━") > 100
    assert shown(written) == [""]
