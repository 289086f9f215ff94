"""`runengine store`: make a store, look after it, move it."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Final

from attrs import asdict

from runengine.cli.arguments import hindrance
from runengine.cli.files import output
from runengine.cli.timeline import plain
from runengine.core import POLICIES, PRACTICAL, SECOND_US, Policy, policy_named
from runengine.dialects.kotlin_sql import masked
from runengine.embedding.clock import SYSTEM
from runengine.errors import DialectError, RunEngineError, SchemaMismatch, StoreError, StoreUnavailable, TraceUnreadable
from runengine.stores.doctor import RULES, Finding, Shrinking, examine
from runengine.stores.opening import database_of, migrate_store, open_as_made, open_store, schema_of, stored_policy
from runengine.stores.schema import DATABASES, SCHEMA_VERSION, script
from runengine.stores.transfer import export, import_

__all__ = ["add_parser", "run"]

_EPILOG: Final = """\
examples:
  runengine store init sqlite:///runs.db              make the tables; sqlite:////var/runs.db from the root
  runengine store doctor sqlite:///runs.db            is every run what its history says? does the database keep it?
  runengine store vacuum sqlite:///runs.db --compact-after 7d --forget-after 90d
  runengine store export sqlite:///runs.db -o runs.jsonl
  runengine store init postgresql://me@db/runs && runengine store import postgresql://me@db/runs runs.jsonl
  runengine store schema postgres | less              the tables and the rules in them, as SQL

URL is sqlite:///FILE or postgresql://USER@HOST/DATABASE (a password is better in PGPASSWORD than in the address).
What the runs are doing is for `runengine runs`; whether they lived by the rules, for `runengine check URL`.
exit codes: 0 done; 1 doctor found errors, or an import was refused; 2 misuse, or the store cannot be reached."""

_URL: Final = "the store: sqlite:///FILE or postgresql://…"
_BATCH: Final = 1000
_TOLD_MAX: Final = 20
_TICK: Final = 500
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE_MAX_S: Final = 36_525 * 86_400

Action = Callable[[argparse.Namespace], int]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "store",
        help="make a store, look after it, move it",
        description="Make a store, look after it, move it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    init = _add(actions, "init", "make a store; one that is there already is left as it is", _init, _INIT)
    init.add_argument("--policy", choices=list(POLICIES), help="whose steps are legal in it (practical)")
    migrate = _add(actions, "migrate", "bring a store's tables up to this runengine", _migrate, _MIGRATE)
    migrate.add_argument("--policy", choices=list(POLICIES), help="keep the rules of this policy from now on (its own)")
    doctor = _add(actions, "doctor", "look whether all that a store holds is sound", _doctor, _doctor_epilog())
    doctor.add_argument("--format", choices=["text", "json"], default="text", help="(%(default)s)")
    _add_vacuum(actions)
    _add_export(actions)
    take_in = _add(actions, "import", "take in what export wrote: all of it, or nothing", _import, _IMPORT)
    take_in.add_argument("file", metavar="FILE", help="an export, or - for standard input")
    schema = _add(actions, "schema", "print the SQL that makes a store", _schema, _SCHEMA, url="URL|sqlite|postgres")
    schema.add_argument("--policy", choices=list(POLICIES), default="practical", help="(%(default)s)")
    parser.set_defaults(run=run)


_INIT: Final = """\
The tables, their CHECKs and triggers keep every run to the rules of the policy, whoever writes.
example:
  runengine store init sqlite:///runs.db --policy permissive      steps of lax orchestrators are legal too
Under `documented`, the published steps alone, some runs could never end: that policy is for `runengine check`."""

_MIGRATE: Final = """\
In one transaction, and no run is lost. Stop what writes first: an engine of another version or policy is refused.
A store of a newer runengine is left alone: update this one. Histories are not held to a new policy; `doctor` tells
whether they keep to it."""

_DOCTOR: Final = """\
It only reads, and others may write meanwhile. Every run is read with its whole history, and SQLite's file is read
through: this takes a while on large stores.
exit codes: 0 nothing is wrong (there may be warnings); 1 errors were found; 2 it could not be looked at.

rules:
"""

_VACUUM: Final = """\
Runs that have not ended are never touched. Of a compacted run the record stays, and of its history one entry, its end;
of a forgotten run nothing stays, nor of the answers given under idempotency keys so long ago. A reader of the feed that
lags behind a compaction gets one entry of kind `snapshot` instead of that run's events: give it time to catch up.
Room that becomes free in a SQLite file is used for new runs; --shrink gives it back to the disk, and writers wait
meanwhile. PostgreSQL does that by itself (autovacuum).
example:
  runengine store vacuum sqlite:///runs.db --compact-after 7d --forget-after 90d"""

_EXPORT: Final = """\
JSON Lines: a header, a run with its history a line, creates that wait, idempotency keys, and an end that tells a file
that was cut off. Others may write meanwhile: what is written is the store as it was at one moment.
examples:
  runengine store export sqlite:///runs.db | gzip > runs.jsonl.gz
  gzip -dc runs.jsonl.gz | runengine store import postgresql://me@db/runs -"""

_IMPORT: Final = """\
The store must be there (`runengine store init URL`) and have none of the runs. Every run is folded from its history and
must be what that makes of it, under the store's policy; a line that is not right is named, and nothing is taken in.
exit codes: 0 all is in; 1 refused, nothing is in; 2 the file or the store cannot be read."""

_SCHEMA: Final = """\
Nothing is opened: of an address only the kind of database counts.
example:
  runengine store schema sqlite | sqlite3 runs.db"""


def _doctor_epilog() -> str:
    return _DOCTOR + "\n".join(f"  {rule:<11} {says}" for rule, says in RULES.items())


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    help: str,
    act: Action,
    epilog: str,
    *,
    url: str = "URL",
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar=url, help=_URL)
    parser.set_defaults(act=act)
    return parser


def _add_vacuum(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add(actions, "vacuum", "make room: shorten and remove what ended long ago", _vacuum, _VACUUM)
    parser.add_argument(
        "--compact-after", type=_duration_s, metavar="AGE", help="shorten histories of runs that ended so long ago"
    )
    parser.add_argument("--forget-after", type=_duration_s, metavar="AGE", help="remove runs that ended so long ago")
    parser.add_argument("--shrink", action="store_true", help="give the room back to the disk (SQLite)")


def _add_export(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add(actions, "export", "write all that a store holds as JSON Lines", _export, _EXPORT)
    parser.add_argument("-o", "--output", metavar="FILE", help="a file, which appears whole or not at all (stdout)")


def _duration_s(text: str) -> int:
    """Seconds of `30s`, `10m`, `12h`, `7d`, `2w`."""
    found = re.fullmatch(r"(\d{1,9})([smhdw])", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a time as 30s, 10m, 12h, 7d or 2w; got {text!r}")
    age_s = int(found[1]) * _UNITS_S[found[2]]
    if age_s > _AGE_MAX_S:
        raise argparse.ArgumentTypeError(f"expected at most {_AGE_MAX_S // _UNITS_S['d']}d, 100 years; got {text!r}")
    return age_s


def run(arguments: argparse.Namespace) -> int:
    """Do one action.

    Raises:
        StoreUnavailable, SchemaMismatch: the store cannot be opened.
    """
    act: Action = arguments.act
    if act is not _schema and arguments.url in ("memory:", "memory://"):
        raise StoreUnavailable("memory", "it is new and empty each time; give sqlite:///FILE or postgresql://…")
    return act(arguments)


def _init(arguments: argparse.Namespace) -> int:
    if arguments.policy and (problem := hindrance(policy_named(arguments.policy))):
        return _misuse("init", problem)
    try:
        found = schema_of(arguments.url)
    except StoreUnavailable:  # there is no such file yet; whatever else it is, opening says
        found = None
    known = stored_policy(arguments.url) if found else None
    policy = policy_named(arguments.policy) if arguments.policy else known or PRACTICAL
    with closing(open_store(arguments.url, policy)) as store:
        what = "is a store already" if found else "a store is made"
        print(f"{store.url}: {what}: schema version {SCHEMA_VERSION}, policy {policy.name}")
    return 0


def _misuse(action: str, problem: str) -> int:
    print(f"runengine store {action}: {problem}", file=sys.stderr)
    return 2


def _migrate(arguments: argparse.Namespace) -> int:
    if arguments.policy and (problem := hindrance(policy_named(arguments.policy))):
        return _misuse("migrate", problem)
    before = schema_of(arguments.url) or {}
    changed = migrate_store(arguments.url, _kept_policy(arguments, before))
    after = schema_of(arguments.url) or {}
    with closing(open_as_made(arguments.url)[0]) as store:
        said = f"schema version {after.get('version')}, policy {after.get('policy')}"
        was = f" (it was {before.get('version')}, {before.get('policy')})" if changed else "; there was nothing to do"
        print(f"{store.url}: {said}{was}")
    return 0


def _kept_policy(arguments: argparse.Namespace, found: dict[str, str]) -> Policy:
    name = arguments.policy or found.get("policy", PRACTICAL.name)
    if name in POLICIES:
        return POLICIES[name]
    problem = f"its policy, {name}, is the host's own: the host must migrate it, or name another with --policy"
    raise SchemaMismatch(masked(arguments.url), problem)


def _doctor(arguments: argparse.Namespace) -> int:
    store, policy = open_as_made(arguments.url)
    with closing(store), _ticks("runs") as tick:
        findings = examine(store, policy, now_us=SYSTEM.now_us(), progress=tick)
        report = _as_json if arguments.format == "json" else _as_text
        errors = report(store.url, findings, tick)
    return 1 if errors else 0


def _as_text(url: str, findings: Iterator[Finding], tick: _Ticks) -> int:
    """One line each, of each rule the first few."""
    severities, rules = Counter[str](), Counter[str]()
    for finding in findings:
        severities[finding.severity] += 1
        rules[finding.rule] += 1
        if rules[finding.rule] <= _TOLD_MAX:
            tick.clear()
            who = f"{plain(finding.run_id)}: " if finding.run_id else ""
            print(f"{finding.severity} {finding.rule}: {who}{plain(finding.message)}")
    tick.clear()
    for rule, count in rules.items():
        if count > _TOLD_MAX:
            print(f"{rule}: {count - _TOLD_MAX:,} more; --format json shows all")
    errors, warnings = severities["error"], severities["warning"]
    verdict = "not sound" if errors else "sound"
    print(f"{url}: {verdict}: {_n(tick.count, 'run')}, {_n(errors, 'error')}, {_n(warnings, 'warning')}")
    return errors


def _as_json(url: str, findings: Iterator[Finding], tick: _Ticks) -> int:
    """One document, written as it is found; the counts come last."""
    severities = Counter[str]()
    print(f'{{"version": 1, "url": {json.dumps(url)}, "findings": [', end="")
    for finding in findings:
        before = ",\n" if severities.total() else "\n"
        severities[finding.severity] += 1
        print(before + json.dumps(asdict(finding)), end="")
    errors, warnings = severities["error"], severities["warning"]
    print(f'], "runs": {tick.count}, "errors": {errors}, "warnings": {warnings}}}')
    return errors


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _vacuum(arguments: argparse.Namespace) -> int:
    if arguments.compact_after is None and arguments.forget_after is None and not arguments.shrink:
        return _misuse("vacuum", "say what may go: --compact-after 7d, --forget-after 90d")
    now_us = SYSTEM.now_us()
    store, _ = open_as_made(arguments.url)
    with closing(store):
        if arguments.shrink and not isinstance(store, Shrinking):
            return _misuse("vacuum", f"{store.url}: it makes room by itself; leave out --shrink")
        for age_s, what, do in (
            (arguments.forget_after, "forgotten", store.forget),
            (arguments.compact_after, "compacted", store.compact),
        ):
            if age_s is not None:
                with _ticks(what) as tick:
                    _in_batches(do, now_us - age_s * SECOND_US, tick)
                print(f"{store.url}: {_n(tick.count, 'run')} {what}")
        if arguments.shrink and isinstance(store, Shrinking):
            print(f"{store.url}: {store.shrink():,} bytes given back to the disk")
    return 0


def _in_batches(do: Callable[[int, int], int], before_us: int, tick: _Ticks) -> None:
    """Until nothing is left: each batch is a transaction of its own, and others write between them."""
    while done := do(before_us, _BATCH):
        tick(tick.count + done)


def _export(arguments: argparse.Namespace) -> int:
    store, policy = open_as_made(arguments.url)
    with closing(store), _ticks("lines") as tick:
        try:
            with output(arguments.output or "-", private=True, at_once=True) as out:
                for number, line in enumerate(export(store, policy), 1):
                    out.write(line)
                    tick(number)
        except DialectError as error:
            where = "runengine store doctor URL says where"
            raise StoreError(f"{store.url}: what it holds cannot be read ({error}); {where}") from None
    return 0


def _import(arguments: argparse.Namespace) -> int:
    store, policy = open_as_made(arguments.url)
    with closing(store), _input(arguments.file) as file, _ticks("lines") as tick:
        try:
            done = import_(store, file, policy, tick)
        except (StoreUnavailable, SchemaMismatch):
            raise
        except (StoreError, ValueError) as error:
            if isinstance(error, RunEngineError) and not isinstance(error, StoreError):
                raise
            tick.clear()
            print(f"runengine store import: {plain(masked(arguments.file))}: {plain(str(error))}", file=sys.stderr)
            print("runengine store import: nothing was taken in", file=sys.stderr)
            return 1
    told = f"{_n(done.waiting, 'waiting create')}, {_n(done.keys, 'idempotency key')}"
    print(f"{store.url}: {_n(done.runs, 'run')}, {told} taken in")
    return 0


@contextmanager
def _input(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below; only opening may be reported as such
    except OSError as error:
        raise TraceUnreadable(masked(path), 0, 0, f"cannot be read: {error.strerror or error}") from None
    with file:
        yield file


def _schema(arguments: argparse.Namespace) -> int:
    given = arguments.url
    database = given if given in DATABASES else database_of(given)
    if database is None:
        return _misuse("schema", "memory: has no tables; give sqlite or postgres")
    print(script(database, policy_named(arguments.policy)), end="")
    return 0


class _Ticks:
    """A count on standard error, where that is a terminal; it is kept in any case."""

    def __init__(self, what: str) -> None:
        self.count = 0
        self._what = what
        self._shown = sys.stderr.isatty()

    def __call__(self, count: int) -> None:
        self.count = count
        if self._shown and count % _TICK == 0:
            print(f"\r{count:,} {self._what}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


@contextmanager
def _ticks(what: str) -> Iterator[_Ticks]:
    tick = _Ticks(what)
    try:
        yield tick
    finally:
        tick.clear()
