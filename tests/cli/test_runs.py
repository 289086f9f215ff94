"""`runengine runs`: what a store holds, shown and moved from the command line."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from runengine.cli import main
from runengine.core import DOCUMENTED, FunctionCall, ToolCall, ToolOutput, Usage
from runengine.dialects import read_run
from runengine.embedding import ManualClock, Runtime
from runengine.embedding.clock import SYSTEM
from runengine.stores.opening import open_store

BEGIN_US = 1_700_000_000_000_000
CALL = ToolCall(id="call_1", function=FunctionCall(name="get_weather", arguments='{"city": "Bergen"}'))
USAGE = Usage(prompt_tokens=120, completion_tokens=48, total_tokens=168)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The address of a store with nothing in it."""
    url = f"sqlite:///{tmp_path}/runs.db"
    with Runtime(url):
        return url


@pytest.fixture
def lived(url: str) -> str:
    """The address of a store with one long life in it, of November 2023."""
    clock = ManualClock(BEGIN_US)
    with Runtime(url, clock=clock) as runtime:
        runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_1", metadata={"ticket": "42"})
        clock.advance(0.25)
        first = runtime.claim("worker_1")
        assert first is not None
        clock.advance(1.5)
        runtime.require_action("run_1", [CALL], fence=first.fence)
        clock.advance(61)
        runtime.submit_tool_outputs("run_1", [ToolOutput(tool_call_id="call_1", output="rain \x1b[2J[bold]")])
        second = runtime.claim("worker_2")
        assert second is not None
        runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_2", thread="enqueue")
        clock.advance(31)
        runtime.sweep()
        third = runtime.claim("worker_3")
        assert third is not None
        runtime.complete("run_1", fence=second.fence, usage=USAGE)
        runtime.cancel("run_1", "the user left")
        clock.advance(2)
        runtime.complete("run_1", fence=third.fence, usage=USAGE)
        runtime.fail("run_1", "server_error", "out of luck", fence=third.fence)
    return url


def ask(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command printed: on standard output if it did it, on standard error if not."""
    assert main(["runs", *arguments]) == code
    out, err = capsys.readouterr()
    assert (err == "") is (code == 0)
    return out if code == 0 else err


def create(capsys: pytest.CaptureFixture[str], url: str, run_id: str, thread: str = "t", *more: str) -> str:
    """Create a run by the command line."""
    return ask(capsys, "create", url, "--thread", thread, "--assistant", "a", "--model", "m", "--id", run_id, *more)


def test_the_history_is_a_timeline(lived: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each entry: time, how long after the last, mark, event, status, worker; details below."""
    out = ask(capsys, "history", lived, "run_1")
    assert out.splitlines()[:2] == [
        "run_1 on thread_1 (asst_1, gpt-4o)",
        "completed, 1 min 35 s after it was created on 2023-11-14 (UTC); 2 came too late; version 12",
    ]
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in (
        "22:13:20.000 ● create queued",
        "22:13:20.250 +250 ms ● start in_progress worker_1 (fence 1)",
        "22:13:21.750 +1.5 s ● require_action requires_action worker_1 (fence 1)",
        'call_1: get_weather({"city": "Bergen"})',
        "22:14:22.750 +1 min 1 s ● submit_tool_outputs queued",
        "run_2 waits for the end",
        "22:14:53.750 +31.0 s ○ lease_lost in_progress worker_2 (fence 2)",
        "22:14:53.750 +0 µs ○ claim in_progress worker_3 (fence 3)",
        "22:14:53.750 +0 µs ✗ complete, lost in_progress",
        "came with fence 2, which is not that of the last claim",
        "the user left",
        "22:14:55.750 +2.0 s ● complete completed worker_3 (fence 3)",
        "168 tokens (120 in, 48 out)",
        "came too late: complete had ended the run",
        "server_error: out of luck",
    ):
        assert line in lines
    assert "had waited 33.0 s for the thread's run to end" in ask(capsys, "history", lived, "run_2")


def test_the_timeline_says_how_long_it_was_where(lived: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For each status that was left: how long in all, its share, and how often."""
    out = ask(capsys, "history", lived, "run_1")
    spans = [re.sub(r"\s*█+", "", line).split() for line in out.splitlines() if "%" in line]
    assert [" ".join(words) for words in spans] == [
        "queued 250 ms 0 % (2 times)",
        "in_progress 32.5 s 34 % (2 times)",
        "requires_action 1 min 1 s 64 %",
        "cancelling 2.0 s 2 %",
    ]


def test_foreign_text_cannot_steer_the_terminal(lived: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in a tool's output are shown escaped, and markup as it stands."""
    out = ask(capsys, "history", lived, "run_1")
    assert r"call_1 = rain \x1b[2J[bold]" in out
    assert "\x1b" not in out


def test_a_compacted_history_says_so(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where retention has cut a history, its one entry says that something was before."""
    with Runtime(url, clock=ManualClock(BEGIN_US)) as runtime:
        runtime.create("t", "a", "m", run_id="run_1")
        runtime.cancel("run_1")
        runtime.open().compact(BEGIN_US + 1)
    out = ask(capsys, "history", url, "run_1")
    assert "▪ snapshot" in out
    assert "has been cut by retention" in out
    assert "%" not in out


def test_the_history_as_json(lived: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every entry with all that is kept of it, in order and without gaps."""
    told = json.loads(ask(capsys, "history", lived, "run_1", "--format", "json"))
    assert (told["version"], told["run_id"]) == (1, "run_1")
    assert [entry["seq"] for entry in told["entries"]] == list(range(1, 13))
    assert told["entries"][1] | {"position": 0} == {
        "seq": 2,
        "kind": "event",
        "name": "start",
        "at_us": BEGIN_US + 250_000,
        "status": "in_progress",
        "data": {},
        "worker": "worker_1",
        "fence": 1,
        "position": 0,
    }


def test_show_is_the_record(lived: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As JSON it is the record itself, which `check` reads; as a table its fields, stamps as times too."""
    with Runtime(lived) as runtime:
        run = runtime.get("run_1")
    shown = ask(capsys, "show", lived, "run_1", "--format", "json")
    assert read_run(shown) == run
    (tmp_path / "run.json").write_text(shown)
    assert main(["check", str(tmp_path / "run.json")]) == 0
    capsys.readouterr()
    table = ask(capsys, "show", lived, "run_1")
    assert re.search(r"^created_at +1700000000 \(2023-11-14 22:13:20Z\)", table, re.MULTILINE)
    assert re.search(r'^metadata +\{"ticket": "42"\}', table, re.MULTILINE)
    assert re.search(r"^null: .*failed_at", table, re.MULTILINE)


def test_why(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who holds a run, until when, and what is allowed; the same as JSON."""
    create(capsys, url, "run_1")
    with Runtime(url) as runtime:
        runtime.claim("worker_1")
        explained = runtime.why("run_1")
    assert explained is not None
    out = ask(capsys, "why", url, "run_1")
    assert out.splitlines()[0] == explained.text
    assert "worker_1 holds it with fence 1" in out
    assert "Allowed now: require_action, " in out
    told = json.loads(ask(capsys, "why", url, "run_1", "--format", "json"))
    assert (told["version"], told["holder"], told["allowed"]) == (1, "worker_1", list(explained.allowed))


def test_list_filters_and_pages(lived: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By thread, status and time; page by page, each saying where the next begins."""
    for number in range(3, 6):
        create(capsys, lived, f"run_{number}", f"thread_{number}")

    def ids(*arguments: str) -> list[str]:
        told = json.loads(ask(capsys, "list", lived, "--format", "json", *arguments))
        return [run["id"] for run in told["runs"]]

    assert set(ids()[:3]) == {"run_3", "run_4", "run_5"}
    assert ids()[3:] == ["run_2", "run_1"]
    assert ids("--thread", "thread_1") == ["run_2", "run_1"]
    assert ids("--status", "completed", "--status", "expired") == ["run_1"]
    assert ids("--until", "2024-01-01") == ["run_2", "run_1"]
    assert ids("--since", "2023-11-14T22:13:20Z", "--until", "1700000001") == ["run_1"]
    assert ids("--since", "2023-11-14T23:13:20.5+01:00", "--until", "2023-11-15") == ["run_2"]
    paged: list[str] = []
    after: str | None = None
    for _ in range(3):
        page = json.loads(
            ask(capsys, "list", lived, "--format", "json", "--limit", "2", *(["--after", after] if after else []))
        )
        paged += [run["id"] for run in page["runs"]]
        after = page["next"]
    assert (paged, after) == (ids(), None)


def test_list_is_a_table(lived: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each run: its thread, status, age, next deadline and worker; nothing is cut off in a pipe."""
    create(capsys, lived, f"run_{'x' * 80}", "thread_3")
    create(capsys, lived, "run_4", "thread_3", "--when-busy", "enqueue")
    with Runtime(lived) as runtime:
        while (claim := runtime.claim("worker_9")) is not None and claim.run_id != f"run_{'x' * 80}":
            pass
    head, first, *rest = ask(capsys, "list", lived).splitlines()
    assert re.split(r"  +", head.strip()) == [
        "id", "thread", "status", "created (UTC)", "age", "next deadline", "worker", "waiting",
    ]  # fmt: skip
    assert re.match(rf"run_{'x' * 80} +thread_3 +in_progress +\d.* +in \d+.* s +worker_9 +1", first)
    assert re.match(r"run_1 +thread_1 +completed +2023-11-14 22:13:20 +\d+ d", rest[-1])
    assert "there are more: --after" in ask(capsys, "list", lived, "--limit", "1")


def test_an_empty_list(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing found is said, and is no error."""
    assert ask(capsys, "list", url) == "no run\n"
    assert json.loads(ask(capsys, "list", url, "--format", "json")) == {"version": 1, "runs": [], "next": None}


def test_create(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run is made as asked; with the same key again it is the same run."""
    arguments = ("create", url, "--thread", "t", "--assistant", "a", "--model", "m", "--ttl", "60", "--key", "k")
    first = ask(capsys, *arguments, "--metadata", "ticket=42", "--metadata", "note=a=b")
    assert re.fullmatch(r"run_\w{24}: create applied, now queued\n", first)
    again = json.loads(ask(capsys, *arguments, "--metadata", "ticket=42", "--metadata", "note=a=b", "--format", "json"))
    assert (again["kind"], again["run_id"]) == ("replayed", first[:28])
    with Runtime(url) as runtime:
        run = runtime.get(first[:28])
    assert run is not None
    assert run.expires_at == run.created_at + 60
    assert run.metadata == {"ticket": "42", "note": "a=b"}


def test_create_on_a_busy_thread(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused as the API words it and told what else there is; or it waits; or it goes first."""
    create(capsys, url, "run_1")
    arguments = ("create", url, "--thread", "t", "--assistant", "a", "--model", "m", "--id", "run_2")
    refused = ask(capsys, *arguments, code=1)
    assert refused.startswith("runengine: Thread t already has an active run run_1. (--when-busy enqueue ")
    assert ask(capsys, *arguments, "--when-busy", "enqueue") == "run_2: create waiting, behind run_1\n"
    assert "it waits for the run on t to end" in ask(capsys, "show", url, "run_2", code=1)
    assert create(capsys, url, "run_3", "t", "--when-busy", "interrupt") == "run_3: create applied, now queued\n"
    assert json.loads(ask(capsys, "show", url, "run_1", "--format", "json"))["status"] == "cancelled"
    assert ask(capsys, "cancel", url, "run_2") == "run_2: cancel withdrawn\n"
    assert "run_3: there is a run of this id already" in ask(capsys, *arguments[:-1], "run_3", code=1)


@pytest.mark.parametrize("form", ["arguments", "list", "body", "stdin"])
def test_submit(
    form: str, url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs are handed in as arguments, or as JSON from a file or standard input; some alone are refused."""
    create(capsys, url, "run_1")
    with Runtime(url) as runtime:
        claim = runtime.claim("worker_1")
        assert claim is not None
        other = ToolCall(id="call_2", function=CALL.function)
        runtime.require_action("run_1", [CALL, other], fence=claim.fence)
    refused = ask(capsys, "submit", url, "run_1", "call_1=rain", code=1)
    assert "Expected tool outputs for call_ids ['call_1', 'call_2'], got ['call_1']" in refused
    outputs: Any = [{"tool_call_id": "call_1", "output": "rain"}, {"tool_call_id": "call_2", "output": "a=b"}]
    text = json.dumps({"tool_outputs": outputs} if form == "body" else outputs)
    (tmp_path / "outputs.json").write_text(text)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    given = {"arguments": ["call_1=rain", "call_2=a=b"], "stdin": ["--json", "-"]}
    done = ask(capsys, "submit", url, "run_1", *given.get(form, ["--json", str(tmp_path / "outputs.json")]))
    assert done == "run_1: submit_tool_outputs applied, now queued\n"
    with Runtime(url) as runtime:
        entry = runtime.history("run_1")[-1]
    assert entry.data["outputs"] == outputs


def test_modify_replaces_the_metadata(url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What is not named is gone; {} empties it."""
    create(capsys, url, "run_1", "t", "--metadata", "a=1", "--metadata", "b=2")
    assert ask(capsys, "modify", url, "run_1", "b=3") == "run_1: modify applied, now queued\n"
    assert json.loads(ask(capsys, "show", url, "run_1", "--format", "json"))["metadata"] == {"b": "3"}
    (tmp_path / "none.json").write_text("{}")
    told = json.loads(ask(capsys, "modify", url, "run_1", "--json", str(tmp_path / "none.json"), "--format", "json"))
    assert told["run"]["metadata"] == {}


def test_cancel_keeps_the_reason(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run without a worker is cancelled at once; a second cancel comes too late and is told what is allowed."""
    create(capsys, url, "run_1")
    assert ask(capsys, "cancel", url, "run_1", "--reason", "enough") == "run_1: cancel applied, now cancelled\n"
    assert "enough" in ask(capsys, "history", url, "run_1")
    late = ask(capsys, "cancel", url, "run_1", code=1)
    assert late == (
        "runengine: run_1: cancel came too late; finish_cancel has ended the run as cancelled; "
        "only modify is allowed now\n"
    )


def test_expire(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the deadline it is refused by the guard; after it, it ends the run."""
    create(capsys, url, "run_1")
    assert "expire refused in queued by past_deadline" in ask(capsys, "expire", url, "run_1", code=1)
    with Runtime(url, clock=ManualClock(SYSTEM.now_us() - 700_000_000)) as runtime:
        runtime.create("t2", "a", "m", run_id="run_2")
    assert ask(capsys, "expire", url, "run_2") == "run_2: expire applied, now expired\n"


def test_a_refusal_as_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --format json a refusal is a document too, on standard output, with what is allowed; the code stays 1."""
    create(capsys, url, "run_1")
    assert main(["runs", "submit", url, "run_1", "a=b", "--format", "json"]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert err == ""
    assert (told["ok"], told["kind"], told["status"]) == (False, "illegal", "queued")
    assert "cancel" in told["allowed"]
    assert told["run"]["id"] == "run_1"


@pytest.mark.parametrize(
    "action",
    [("show",), ("history",), ("why",), ("cancel",), ("expire",), ("modify", "a=b"), ("submit", "a=b")],
    ids=lambda action: action[0],
)
def test_a_run_that_is_not_there(action: tuple[str, ...], lived: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line names it and those like it; the code is 1."""
    name, *rest = action
    told = ask(capsys, name, lived, "run_11", *rest, code=1)
    assert told == "runengine: run_11: there is no such run; did you mean run_1 or run_2?\n"
    assert "`runengine runs list`" in ask(capsys, name, lived, "nobody", *rest, code=1)
    assert ask(capsys, "list", lived, "--after", "run_11", code=1) == told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "memory:"], "memory: it is new and empty each time"),
        (["list", "mysql://me:secret@host/db"], "mysql://me:***@host/db: no store is known for it"),
        (["list", "runs.db"], "no store is known for it; give memory:, sqlite:///FILE"),
        (["list", "sqlite:///{missing}"], "missing.db"),
        (["show", "postgresql://me:secret@localhost:1/db?connect_timeout=2", "r"], "postgresql://me:***@localhost:1"),
        (["submit", "{url}", "r"], "give CALL_ID=OUTPUT"),
        (["submit", "{url}", "r", "a=b", "--json", "f"], "give CALL_ID=OUTPUT"),
        (["submit", "{url}", "r", "--json", "{missing}"], "cannot be read: No such file"),
        (["submit", "{url}", "r", "--json", "{odd}"], 'expected [{"tool_call_id"'),
        (["modify", "{url}", "r"], "they replace the metadata whole"),
        (["modify", "{url}", "r", "--json", "{odd}"], "expected a JSON object"),
        (["modify", "{url}", "r", "--json", "{broken}"], "not JSON: "),
        (["show", "{url}", "run_\udcff"], r"run_\udcff is no text in UTF-8"),
        (["create", "{url}", "--thread", "", "--assistant", "a", "--model", "m"], "thread_id must be text"),
    ],
)
def test_misuse(arguments: list[str], told: str, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what is wrong, without a password; the code is 2, and no file is made."""
    (tmp_path / "odd.json").write_text('[{"tool_call_id": 7}]')
    (tmp_path / "broken.json").write_text("{oops")
    names = {name: str(tmp_path / f"{name}.json") for name in ("odd", "broken")}
    given = [a.format(url=url, missing=tmp_path / "missing.db", **names) for a in arguments]
    err = ask(capsys, *given, code=2)
    assert told in err
    assert err.count("\n") == 1
    assert "secret" not in err
    assert not (tmp_path / "missing.db").exists()


def test_a_store_of_another_policy(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It can be looked at; runs are not moved in one in which they could be stuck."""
    other = f"sqlite:///{tmp_path}/documented.db"
    open_store(other, DOCUMENTED).close()
    assert ask(capsys, "list", other) == "no run\n"
    err = ask(capsys, "create", other, "--thread", "t", "--assistant", "a", "--model", "m", code=2)
    assert "under documented a run that is queued or cancelling could not expire, and so be stuck; use practical" in err
    assert "runengine store migrate URL --policy practical" in err
