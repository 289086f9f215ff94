"""`runengine explain --run`: one run's life from any recording, each finding at its place, and misuse in one line."""

from __future__ import annotations

import doctest
import io
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runengine.cli import main
from runengine.cli.explaining import print_life
from runengine.core import STATUSES
from runengine.dialects.documents import DIALECTS
from runengine.validation import Checker
from runengine.validation.explaining.lifeline import Lifelines
from runengine.validation.readers import items_in
from tests import samples
from tests.validation.checking import as_lines, clean

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "explain-a-run.md"

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs the command; exit code, output and complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(["explain", *arguments])
        except SystemExit as exit:
            code = int(str(exit.code))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def write(name: str, *values: Any) -> None:
    """Write lines of JSON."""
    Path(name).write_bytes(as_lines(values))


class TestTimeline:
    """What is printed."""

    def test_a_life(self, said: Said) -> None:
        """Lines, statuses, events, hidden steps, findings under their line, verdict and repair stand in order."""
        queued, done, back = clean("queued", started_at=None), clean("completed"), clean("requires_action")
        write("a.jsonl", queued, queued, done, back)
        code, out, err = said("--run", "run_1", "a.jsonl")
        assert (code, err) == (0, "")
        wanted = [
            "run_1 on thread_1 (",
            "a.jsonl: 4 observations, some statuses may have been missed; created 20",
            "1  +0 s           ○ queued           (create) ×2, to line 2",
            "model gpt-4o; expires_at +600 s",
            "[ ◐ in_progress, by start: nobody saw it ]",
            "3  +",
            "● completed        (complete)",
            "completed_at +",
            "4  ",
            "◇ requires_action",
            "└ error RE103 changed-after-terminal: ",
            "expected completed",
            "delivery: late",
            "not conforming: 1 error, 0 warnings, 0 remarks",
            "its path is legal after the cheapest repair (cost 1):",
            "line 4 belongs between line 1 and line 3",
        ]
        for text in wanted:
            assert text in out, text
            out = out[out.index(text) + len(text) :]

    def test_times_are_shown(self, said: Said) -> None:
        """A time of observation is shown as such; without one, how long after its creation a stamp says it was."""
        seen = {"kind": "poll", "observed_at": 1_700_000_000.5, "data": clean("queued", started_at=None)}
        write("a.jsonl", seen, clean("in_progress"))
        _, out, _ = said("--run", "run_1", "a.jsonl")
        assert "1  22:13:20.500   ○ queued" in out
        assert re.search(r"2  \+\d+ s +◐ in_progress", out)

    @pytest.mark.parametrize("status", STATUSES)
    def test_every_status_has_its_symbol(self, said: Said, status: str) -> None:
        """Each status is told by a symbol and by its name, an unknown one by its name."""
        write("a.jsonl", clean(status), {**clean(status), "status": "odd"})
        _, out, _ = said("--run", "run_1", "a.jsonl")
        assert re.search(rf"1 .* [○◐◇◌●◑✗⊘⊗] {status} +\(\w+\)\n", out)
        assert re.search(r"2 .* \? odd\n", out)

    def test_foreign_text_is_made_plain(self, said: Said) -> None:
        """Control characters of the recording do not reach the terminal, wherever they stand."""
        bad = "\x1b[2J"
        record = {**clean("failed"), "model": bad, "assistant_id": bad, "thread_id": bad, "odd": bad}
        action = clean("requires_action")
        action["required_action"]["submit_tool_outputs"]["tool_calls"][0]["function"]["name"] = bad
        write("a.jsonl", {"event": bad, "data": clean("queued")}, action, record, {**record, "status": bad})
        code, out, _ = said("--run", "run_1", "a.jsonl")
        assert code == 0
        assert "\x1b" not in out
        assert "\\x1b[2J" in out

    def test_colour(self) -> None:
        """On a terminal there is colour; everything is said without it too."""
        write("a.jsonl", clean("completed"), clean("queued"))
        checker = Checker(watches=[kept := Lifelines("run_1")])
        for violation in checker.check("a.jsonl", items_in("a.jsonl")):
            kept.add(violation)
        shown = []
        for forced in (False, True):
            out = io.StringIO()
            print_life(Console(file=out, force_terminal=forced, soft_wrap=True, highlight=False), kept.lives[0])
            shown.append(out.getvalue())
        assert "\x1b" not in shown[0]
        assert "\x1b" in shown[1]
        assert re.sub(r"\x1b\[[0-9;]*m", "", shown[1]) == shown[0]

    def test_the_first_snapshot(self, said: Said) -> None:
        """What a run's first snapshot holds is told, and before it the steps that nobody saw."""
        write("a.jsonl", clean("completed"))
        _, out, _ = said("--run", "run_1", "a.jsonl")
        assert "[ ○ queued, by create: nobody saw it ]\n" in out
        assert re.search(r"model gpt-4o; started_at \+\d+ s; completed_at \+\d+ s; 12 tokens \(7 in, 5 out\)\n", out)

    def test_a_refused_call(self, said: Said) -> None:
        """A refused call is told as that, and not as something that was found."""
        answer = {"error": {"message": "Cannot cancel run with status 'completed'.", "type": "invalid_request_error"}}
        refused = {"kind": "cancel", "http_status": 400, "run_id": "run_1", **answer}
        write("a.jsonl", clean("completed"), refused)
        _, out, _ = said("--run", "run_1", "a.jsonl")
        assert "  · refused: cancel (400): Cannot cancel run with status 'completed'.\n" in out
        assert "error:" not in out

    @pytest.mark.parametrize("name", list(clean("in_progress")))
    def test_any_field_may_go(self, said: Said, name: str) -> None:
        """A field that is taken away is told, whichever it is; what the status cannot have goes of itself."""
        kept = name in ("id", "status")
        record = clean("in_progress", metadata={"a": "b"}, instructions="brief", max_prompt_tokens=300)
        write("a.jsonl", record, record if kept else {**record, name: None})
        code, out, _ = said("--run", "run_1", "a.jsonl")
        assert code == 0
        assert kept or record[name] is None or re.search(rf"{name} .* -> null", out)

    def test_one_repair(self, said: Said) -> None:
        """A finding says its cause, and the end what would mend the path: there are no two repairs."""
        write("a.jsonl", clean("in_progress"), clean("completed"), clean("in_progress", started_at=samples.END_S + 1))
        _, out, _ = said("--run", "run_1", "a.jsonl")
        assert "life: it went on after its end" in out
        assert out.count("drop line") == out.count("repair") == 1

    def test_json(self, said: Said) -> None:
        """--format json prints the same as data."""
        write("a.jsonl", clean("completed"), clean("in_progress"))
        code, out, _ = said("--run", "run_1", "a.jsonl", "--format", "json")
        made = json.loads(out)
        assert (code, made["version"], made["run_id"]) == (0, 1, "run_1")
        assert [moment["status"] for moment in made["lives"][0]["moments"]] == ["completed", "in_progress"]
        assert made["lives"][0]["repair"]["edits"][0]["text"]


class TestInputs:
    """Where it looks."""

    def test_every_recording_has_its_section(self, said: Said) -> None:
        """A folder is walked, and each file that shows the run is told by itself."""
        for name in ("a.jsonl", "b.jsonl"):
            write(name, clean("queued"))
        write("c.jsonl", {**clean("queued"), "id": "run_2"})
        code, out, _ = said("--run", "run_1", ".")
        assert (code, out.count("run_1 on ")) == (0, 2)
        assert "c.jsonl" not in out

    def test_a_path_given_twice(self, said: Said) -> None:
        """A recording is told once, however often it is given."""
        write("a.jsonl", clean("queued", started_at=None), clean("in_progress"))
        for more in ((), ("--join",)):
            code, out, _ = said("--run", "run_1", *more, "a.jsonl", "*.jsonl", "a.jsonl")
            assert (code, "2 observations" in out) == (0, True)

    def test_joined(self, said: Said) -> None:
        """With --join the recordings are one life, in the order they are given, each below its name."""
        write("b.jsonl", clean("queued", started_at=None), clean("requires_action"))
        write("a.jsonl", clean("completed", started_at=samples.START_S + 3))
        code, out, _ = said("--run", "run_1", "--join", "b.jsonl", "a.jsonl")
        assert (code, out.count("run_1 on ")) == (0, 1)
        assert "b.jsonl, a.jsonl: 3 observations" in out
        parts = ["─ b.jsonl ─", "◇ requires_action", "─ a.jsonl ─", "queued, by submit_tool_outputs", "● completed"]
        assert [out.index(part) for part in parts] == sorted(out.index(part) for part in parts)
        assert out.endswith("in each recording its path is legal\n")
        assert "─" not in said("--run", "run_1", "--join", "b.jsonl")[1]
        made = json.loads(said("--run", "run_1", "--join", "b.jsonl", "a.jsonl", "--format", "json")[1])
        assert [life["recordings"] for life in made["lives"]] == [["b.jsonl", "a.jsonl"]]

    @pytest.mark.parametrize("dialect", ["julia", "typescript-instance", "azure"])
    def test_dialects(self, said: Said, dialect: str) -> None:
        """Records in any dialect are told with the API's own words, whether the dialect is named or not."""
        spelled = DIALECTS[dialect].respelled(clean("in_progress"))
        write("a.jsonl", spelled)
        for more in ((), ("--dialect", dialect)):
            code, out, _ = said("--run", "run_1", "a.jsonl", *more)
            assert (code, "◐ in_progress" in out) == (0, True)

    def test_a_store(self, said: Said, capsys: pytest.CaptureFixture[str]) -> None:
        """A run of a store is told by its history."""
        assert main(["simulate", "--runs", "3", "-o", "sqlite:///s.db"]) == 0
        capsys.readouterr()
        assert main(["runs", "list", "sqlite:///s.db"]) == 0
        run_id = re.findall(r"run_\w+", capsys.readouterr().out)[0]
        code, out, _ = said("--run", run_id, "sqlite:///s.db")
        assert code == 0
        assert "every status is visible" in out
        assert "○ queued           create" in out

    def test_policy_and_sampling(self, said: Said) -> None:
        """--policy and --sampling decide what is legal and what is hidden."""
        write("a.jsonl", clean("in_progress"), clean("cancelled"))
        assert "its path is legal\n" in said("--run", "run_1", "a.jsonl")[1]
        assert "insert cancel" in said("--run", "run_1", "a.jsonl", "--sampling", "complete")[1]
        lax = ("--sampling", "complete", "--policy", "permissive")
        assert "its path is legal\n" in said("--run", "run_1", "a.jsonl", *lax)[1]

    def test_a_path_that_cannot_be_read(self, said: Said) -> None:
        """It is named, the rest is told, and the exit code is 1."""
        write("a.jsonl", clean("queued"))
        code, out, err = said("--run", "run_1", "a.jsonl", "nowhere.jsonl")
        assert (code, "○ queued" in out, err.count("\n")) == (1, True, 1)
        assert "nowhere.jsonl" in err


class TestMisuse:
    """What is refused, in one line and with 2."""

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("--run", "run_9", "a.jsonl"), "there is no run 'run_9' among 3 runs; did you mean "),
            (("--run", "zzz", "a.jsonl"), "there is no run 'zzz' among 3 runs\n"),
            (("--run", "run_1", "a.jsonl"), "several runs begin with 'run_1' (run_12, run_13): give more of the id"),
            (("--run", "run_12"), "takes the paths to look in"),
            (("--run", "", "a.jsonl"), "--run takes an id"),
            (("--run", "run_12", "--all", "x", "a.jsonl"), "do not go together"),
            (("--policy", "permissive", "RE101"), "--policy goes with --run ID"),
            (("--format", "json"), "--format goes with --run ID"),
            (("--join", "RE101"), "--join goes with --run ID"),
            (("RE101", "RE102"), "one rule at a time"),
        ],
    )
    def test_misuse(self, said: Said, arguments: tuple[str, ...], says: str) -> None:
        """It says what was asked, and what would be right."""
        write("a.jsonl", *({**clean("queued"), "id": name} for name in ("run_12", "run_13", "run_2")))
        code, out, err = said(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert says in err

    def test_too_many(self, said: Said) -> None:
        """A beginning of very many ids is said to be that."""
        write("a.jsonl", *({**clean("queued"), "id": f"run_{n}"} for n in range(99)))
        assert said("--run", "run_", "a.jsonl")[2].endswith("(more than 16): give more of the id\n")


def test_the_page_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The commands of the how-to print what stands below them, but for times and what is left out."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    shown = [part.split("\n", 1) for block in blocks for part in block.split("$ runengine ")[1:]]
    assert len(shown) >= 3
    for command, wanted in shown:
        main(shlex.split(command))
        printed = capsys.readouterr()
        got = printed.out + printed.err
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(wanted, got, flags), f"{command}\n{got}"
