"""The actions of `runengine runs` that move a run: create, submit, modify, cancel, expire."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from runengine.cli.arguments import hindrance, whole_number
from runengine.cli.timeline import plain
from runengine.core import PRACTICAL, TERMINAL, TTL_S, Policy, ToolOutput
from runengine.dialects import decode, write_run
from runengine.dialects.kotlin_sql import masked
from runengine.dialects.wire import NotJSON
from runengine.embedding import Answer, Runtime
from runengine.errors import RunEngineError, RunNotFound, SchemaMismatch, TraceUnreadable
from runengine.stores import Store

__all__ = ["add_parsers"]

Action = Callable[[Store, Policy, argparse.Namespace], int]

_BUSY: Final = "--when-busy enqueue waits for its end, --when-busy interrupt cancels it"
_STDIN: Final = "-"
_TTL_MAX_S: Final = 36_525 * 86_400
"""100 years."""


def add_parsers(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the actions to the parser of `runengine runs`."""
    _add_create(actions)
    submit = _add(actions, "submit", "hand in the outputs of tool calls", _submit, _SUBMIT)
    submit.add_argument("outputs", nargs="*", type=_pair, metavar="CALL_ID=OUTPUT", help="one for each pending call")
    submit.add_argument(
        "--json", metavar="FILE", help='instead: [{"tool_call_id", "output"}, …] or the API\'s body; - for stdin'
    )
    modify = _add(actions, "modify", "replace the metadata of a run, all of it", _modify, _MODIFY)
    modify.add_argument("pairs", nargs="*", type=_pair, metavar="KEY=VALUE", help="the new metadata, whole")
    modify.add_argument("--json", metavar="FILE", help="instead: a JSON object, {} for none; - for stdin")
    cancel = _add(actions, "cancel", "ask for a run to stop", _cancel, _CANCEL)
    cancel.add_argument("--reason", metavar="TEXT", help="why, for the history")
    _add(actions, "expire", "end a run whose deadline has passed", _expire, _EXPIRE)


_SUBMIT: Final = """\
All outputs are handed in at once, and the run is queued again.
examples:
  runengine runs submit sqlite:///runs.db run_1 call_1=rain call_2='{"degrees": 4}'
  runengine runs submit sqlite:///runs.db run_1 --json outputs.json"""

_MODIFY: Final = """\
What is not named is gone: the metadata is replaced whole. It may change after the run's end too.
examples:
  runengine runs modify sqlite:///runs.db run_1 ticket=42 reviewed=yes
  echo '{}' | runengine runs modify sqlite:///runs.db run_1 --json -      leave none"""

_CANCEL: Final = """\
A worker that holds the run has some time to stop; without one it is cancelled at once. A create that waits for its
thread is taken back by the id it was given.
example:
  runengine runs cancel sqlite:///runs.db run_1 --reason "the user left" """

_EXPIRE: Final = """\
Refused before the deadline. Workers and `sweep` do it by themselves; this is for where none runs.
example:
  runengine runs expire sqlite:///runs.db run_1"""

_CREATE: Final = """\
examples:
  runengine runs create sqlite:///runs.db --thread t1 --assistant asst_1 --model gpt-4o --metadata ticket=42
  runengine runs create sqlite:///runs.db --thread t1 --assistant asst_1 --model gpt-4o --when-busy enqueue
  runengine runs create sqlite:///runs.db --thread t1 --assistant asst_1 --model gpt-4o --key order-7

Sent twice with the same --key, it is made once."""


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    help: str,
    act: Action,
    epilog: str,
    *,
    named: bool = True,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="the store: sqlite:///FILE or postgresql://…")
    if named:
        parser.add_argument("run_id", metavar="RUN", help="the run's id")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="of the answer (%(default)s)")
    parser.set_defaults(act=act)
    return parser


def _add_create(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _add(actions, "create", "ask for a run", _create, _CREATE, named=False)
    for name, what in (("thread", "the thread it runs on"), ("assistant", "who runs"), ("model", "the model to use")):
        parser.add_argument(f"--{name}", required=True, metavar=name[0].upper(), help=what)
    parser.add_argument("--id", metavar="ID", help="the run's id (made up)")
    parser.add_argument(
        "--ttl", type=whole_number(1, _TTL_MAX_S), metavar="S", help=f"seconds until its deadline ({TTL_S})"
    )
    parser.add_argument("--key", metavar="K", help="the same key with the same request gets the same answer")
    parser.add_argument("--metadata", type=_pair, action="append", default=[], metavar="K=V", help="may be given again")
    parser.add_argument(
        "--when-busy",
        choices=["reject", "enqueue", "interrupt"],
        default="reject",
        help="what to do while the thread has a run that has not ended (%(default)s)",
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def _create(store: Store, policy: Policy, arguments: argparse.Namespace) -> int:
    return _ask(
        arguments,
        lambda: _runtime(store, policy).create(
            arguments.thread,
            arguments.assistant,
            arguments.model,
            run_id=arguments.id,
            ttl_s=arguments.ttl,
            thread=arguments.when_busy,
            key=arguments.key,
            metadata=dict(arguments.metadata),
        ),
    )


def _submit(store: Store, policy: Policy, arguments: argparse.Namespace) -> int:
    if bool(arguments.outputs) == (arguments.json is not None):
        return _misuse("submit", "give CALL_ID=OUTPUT…, or --json FILE")
    outputs = _from_file(arguments.json) if arguments.json is not None else _given(arguments.outputs)
    return _ask(arguments, lambda: _runtime(store, policy).submit_tool_outputs(arguments.run_id, outputs))


def _modify(store: Store, policy: Policy, arguments: argparse.Namespace) -> int:
    if bool(arguments.pairs) == (arguments.json is not None):
        return _misuse("modify", "give KEY=VALUE…, or --json FILE; they replace the metadata whole")
    metadata = dict(arguments.pairs)
    if arguments.json is not None:
        metadata = _read(arguments.json)
        if not isinstance(metadata, dict):
            raise TraceUnreadable(arguments.json, 0, 0, "expected a JSON object: the metadata, whole")
    return _ask(arguments, lambda: _runtime(store, policy).modify(arguments.run_id, metadata))


def _cancel(store: Store, policy: Policy, arguments: argparse.Namespace) -> int:
    return _ask(arguments, lambda: _runtime(store, policy).cancel(arguments.run_id, arguments.reason))


def _expire(store: Store, policy: Policy, arguments: argparse.Namespace) -> int:
    return _ask(arguments, lambda: _runtime(store, policy).expire(arguments.run_id))


def _runtime(store: Store, policy: Policy) -> Runtime:
    if problem := hindrance(policy):
        raise SchemaMismatch(store.url, f"{problem}: runengine store migrate URL --policy {PRACTICAL.name}")
    return Runtime(store, policy=policy)


def _given(pairs: Sequence[tuple[str, str]]) -> tuple[ToolOutput, ...]:
    return tuple(ToolOutput(tool_call_id=call_id, output=output) for call_id, output in pairs)


def _from_file(path: str) -> tuple[ToolOutput, ...]:
    value = _read(path)
    items = value.get("tool_outputs") if isinstance(value, dict) else value
    outputs = []
    for item in items if isinstance(items, list) else [None]:
        match item:
            case {"tool_call_id": str(call_id), "output": str(output)}:
                outputs.append((call_id, output))
            case _:
                raise TraceUnreadable(path, 0, 0, 'expected [{"tool_call_id": "…", "output": "…"}, …], of text')
    return _given(outputs)


def _read(path: str) -> Any:
    try:
        return decode(sys.stdin.buffer.read() if path == _STDIN else Path(path).read_bytes())
    except OSError as error:
        raise TraceUnreadable(masked(path), 0, 0, f"cannot be read: {error.strerror}") from None
    except NotJSON as error:
        raise TraceUnreadable(path, 0, 0, f"not JSON: {error.problem}") from None


def _misuse(action: str, problem: str) -> int:
    print(f"runengine runs {action}: {problem}", file=sys.stderr)
    return 2


def _ask(arguments: argparse.Namespace, ask: Callable[[], Answer]) -> int:
    try:
        answer = ask()
    except RunEngineError:
        raise
    except (TypeError, ValueError) as error:  # a value that no event takes; nothing was asked of the store
        return _misuse(arguments.action, str(error))
    if arguments.format == "json":
        print(json.dumps(_document(answer)))
    elif answer.kind == "not_found":
        raise RunNotFound(answer.run_id)
    elif answer.ok:
        behind = f", behind {answer.active}" if answer.kind == "waiting" and answer.active else ""
        print(plain(answer.message + behind))
    else:
        print(f"runengine: {plain(answer.message)}{_instead(answer)}", file=sys.stderr)
    return 0 if answer.ok else 1


def _instead(answer: Answer) -> str:
    """What would be accepted, where the refusal itself does not say."""
    if answer.kind == "busy":
        return f" ({_BUSY})"
    if answer.kind == "lost" or answer.status in TERMINAL:
        return "; only modify is allowed now"
    return ""


def _document(answer: Answer) -> dict[str, Any]:
    refused = answer.refused
    return {
        "version": 1,
        "ok": answer.ok,
        "kind": answer.kind,
        "event": answer.event,
        "run_id": answer.run_id,
        "status": answer.status,
        "message": answer.message,
        "allowed": list(refused.allowed) if refused is not None else [],
        "guard": refused.guard if refused is not None else None,
        "ended_by": answer.ended_by,
        "active": answer.active,
        "run_version": answer.version,
        "run": write_run(answer.run) if answer.run is not None else None,
    }
