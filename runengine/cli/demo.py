"""`runengine demo`: ten stories through the real runtime, with concurrent workers, on a store that stays to be read."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Final

from attrs import frozen
from rich.console import Console
from rich.table import Table

from runengine.cli.stories import STORIES, THREAD, Refusals, Stage, Story, perform
from runengine.cli.timeline import print_timeline
from runengine.core import STATUSES, TERMINAL, Status
from runengine.dialects.kotlin_sql import masked
from runengine.embedding import Answer, AsyncRuntime
from runengine.embedding.clock import SYSTEM, ticks_s
from runengine.embedding.identity import new_run_id
from runengine.errors import RunEngineError, StoreError, StoreUnavailable
from runengine.stores import Entry, Row, RunQuery
from runengine.stores.opening import open_as_made
from runengine.validation import Checker
from runengine.validation.readers.store import read_store
from runengine.validation.reports.text import TextReport

__all__ = ["add_parser", "run"]

_FILE: Final = Path("runengine-demo.db")
_MANY: Final = 1000
_ELSE: Final = "remove it, or give another --store"
_OPEN: Final[tuple[Status, ...]] = tuple(status for status in STATUSES if status not in TERMINAL)

_EPILOG: Final = """\
examples:
  runengine demo                                         on ./runengine-demo.db, begun anew each time
  runengine demo --store postgresql://me@localhost/try   any store without open runs; ids are new each time
  runengine demo --store memory:                         leaves nothing behind

exit codes: 0 done, and the store is checked clean; 1 the check found an error; 2 the store cannot be used."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="see it work: ten stories on a real store, with concurrent workers",
        description="Play ten stories at once through the runtime: clients that ask, cancel and come too late, workers "
        "that complete, fail and die. Then print each run's life, check the store, and leave it to be looked at.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--store", metavar="URL", help=f"sqlite:///FILE, postgresql://… or memory: (a new sqlite:///{_FILE})"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play, print, check.

    Raises:
        StoreError: the store cannot be used, or holds runs that the demo's workers would take.
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    anew = arguments.store is None
    url = f"sqlite:///{_FILE}" if anew else arguments.store
    if anew and _removed(url):
        console.print(f"removed {_FILE}, the store of an earlier demo", style="dim")
    console.print(f"Ten stories at once on {masked(url)}, three workers, policy practical", style="bold")
    refusals = Refusals()
    began_s = ticks_s()
    try:
        told = asyncio.run(_play(url, "" if anew else f"_{new_run_id()[-6:]}", refusals))
    except* RunEngineError as group:
        raise _first(group) from None
    except* TimeoutError:
        raise StoreUnavailable(masked(url), "the stories did not come to their end; is it very slow?") from None
    console.print(f"played in {ticks_s() - began_s:.1f} s\n", style="dim")
    for number, story in enumerate(STORIES, 1):
        _print_story(console, number, story, told[story.name], refusals.answers)
    console.print(_counts([one for runs in told.values() for one in runs], len(refusals.answers)))
    if url in ("memory:", "memory://"):
        console.print("\na store in memory ends here: there is nothing left to check", style="dim")
        return 0
    code = 1 if _check(console, url) else 0
    run_id = told["takeover"][0].row.run.id
    console.print(f"\nnext{' (URL: the address of the store)' if masked(url) != url else ''}:", style="bold")
    for command in ("runs list URL", f"runs history URL {run_id}", "check URL -v", "store doctor URL"):
        console.print(f"  runengine {command.replace('URL', _pasted(url))}")
    return code


def _pasted(url: str) -> str:
    """The address as a shell takes it; one with a password is not repeated."""
    return shlex.quote(url) if masked(url) == url else '"$URL"'


@frozen
class _Told:
    """What became of one run."""

    row: Row
    entries: tuple[Entry, ...]


def _removed(url: str) -> bool:
    """Remove the store of an earlier demo; whether there was one.

    Raises:
        StoreUnavailable: the file is anything else.
    """
    if not _FILE.exists():
        return False
    try:
        store, _ = open_as_made(url)
        with closing(store):
            foreign = [row for row in store.runs(RunQuery(limit=_MANY)) if not row.run.thread_id.startswith(THREAD)]
    except StoreError as error:
        raise StoreUnavailable(url, f"it is no store of an earlier demo, so it stays; {_ELSE} ({error})") from None
    if foreign:
        raise StoreUnavailable(url, f"it holds runs that are not the demo's, so it stays; {_ELSE}")
    for path in (_FILE, Path(f"{_FILE}-wal"), Path(f"{_FILE}-shm")):
        path.unlink(missing_ok=True)
    return True


async def _play(url: str, suffix: str, refusals: Refusals) -> dict[str, list[_Told]]:
    """What became of each story's runs, by its name."""
    async with AsyncRuntime(url, observers=[refusals]) as runtime:
        await _clear(runtime, url)
        refusals.answers.clear()
        stage = Stage(runtime, suffix)
        await perform(stage)
        told: dict[str, list[_Told]] = {}
        for story in STORIES:
            for run_id in stage.runs[story.name]:
                row = await runtime.row(run_id)
                assert row is not None
                told.setdefault(story.name, []).append(_Told(row, await runtime.history(run_id)))
        return told


async def _clear(runtime: AsyncRuntime, url: str) -> None:
    """Cancel what an interrupted demo left open.

    Raises:
        StoreUnavailable: there are other open runs, which the demo's workers would take for theirs.
    """
    for run in await runtime.list(statuses=_OPEN, limit=_MANY):
        if not run.thread_id.startswith(THREAD):
            problem = f"{run.id} has not ended, and the demo's workers would take it; give a store without open runs"
            raise StoreUnavailable(masked(url), problem)
        await runtime.cancel(run.id, "left by an earlier demo")


def _first(group: BaseExceptionGroup[RunEngineError]) -> RunEngineError:
    """One error to tell: several tasks meet the same one."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _print_story(console: Console, number: int, story: Story, runs: list[_Told], refusals: list[Answer]) -> None:
    console.print(f"{number}. {story.title}", style="bold underline")
    for one in runs:
        refused = [a for a in refusals if one.row.run.id == (a.active or a.run_id)]
        print_timeline(console, one.row, one.entries, SYSTEM.now_us(), refused=refused, spans=False)
        if one.row.run.status != story.ends:
            console.print(f"  (it should have ended {story.ends}: this machine was slow)", style="dim")
        console.print()


def _counts(told: list[_Told], refused: int) -> Table:
    ended = Counter(one.row.run.status for one in told)
    entered = Counter(e.status for one in told for e in one.entries if e.kind == "event" and e.name != "modify")
    lost = sum(e.kind == "lost" for one in told for e in one.entries)
    table = Table("status", "entered", "runs that ended here", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for status in STATUSES:
        table.add_row(status, str(entered[status]), str(ended[status]) if status in TERMINAL else "")
    table.add_row("refused", str(refused), "", style="magenta")
    table.add_row("lost, kept", str(lost), "", style="magenta")
    return table


def _check(console: Console, url: str) -> bool:
    """Check the store; whether there is an error in it."""
    console.print(f"\nchecking {masked(url)}:")
    checker = Checker()
    report = TextReport(sys.stdout)
    for violation in checker.check(masked(url), read_store(url)):
        report.add(violation)
    report.close(checker.summary)
    return bool(checker.summary.violations["error"])
