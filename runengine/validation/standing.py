"""Where a check stood: what it remembers of each recording, so that a log that grows is checked from there.

A state is a file of JSON Lines. Its first line says its version and the options it was made with; after it come the
scopes, one for each recording, or one for all that are joined: how far each of their files was read, then what the
checker remembers, a part a line, then a digest. What a record holds that is no JSON, or is nested too deep for it, is
left out, and its run is not remembered.

A log that grows has no end: what waits for its end waits over the state, and is said when something decides it. What
was found below it is said at once, and not held back for the sake of order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, Final

from attrs import Factory, frozen

from runengine.errors import TraceUnreadable
from runengine.validation.checker import Checker
from runengine.validation.readers.growing import Mark
from runengine.validation.summary import Options

__all__ = [
    "JOINED_SCOPE",
    "STATE_VERSION",
    "Ids",
    "Scope",
    "Standing",
    "as_line",
    "as_parts",
    "as_plain",
    "other_option",
]

STATE_VERSION: Final = 1
"""Version of a state file."""

JOINED_SCOPE: Final = ""
"""Stands for the path of recordings that are joined."""

_STATE_OF: Final = "runengine check"
_SCOPE: Final = b'["scope",'
_END: Final = b'["end",'
_WAITS: Final = (b'["waiting",["', b'["patient",["')
_OF_A_RUN: Final = ("open", "ended", "met", "streamed", "calls", "waiting", "patient")
"""Parts that begin with the id of a run, or of what waits."""


def as_line(value: Any) -> bytes:
    """A value as a line of JSON, in ASCII, without the line feed.

    Raises:
        TypeError: it is none.
        ValueError: it is none.
        RecursionError: it is nested too deep.

    Example:
        >>> as_line(["end", 1])
        b'["end",1]'
    """
    return json.dumps(value, separators=(",", ":")).encode()


def as_parts(checker: Checker) -> Iterator[bytes | None]:
    """What a checker remembers of its scope, a line for each part; None for one that cannot be written.

    Example:
        >>> b'["apart",[]]' in list(as_parts(Checker()))
        True
    """
    for part in chain(checker.memory.kept(), checker.around.kept()):
        try:
            yield as_line(part)
        except (TypeError, ValueError, RecursionError):
            yield None


def as_plain(options: Options) -> dict[str, Any]:
    """Options as plain JSON: what two checks must have in common, so that one goes on from the other.

    Example:
        >>> as_plain(Options())["policy"]
        'practical'
    """
    made = {name: getattr(options, name) for name in ("generation", "sampling", "skew_s", "forget_after", "dialect")}
    rows = [[row.event, row.source, row.target, list(row.guards)] for row in options.policy.rows]
    chosen = {"select": list(options.select), "ignore": list(options.ignore), "join": options.join}
    return {"policy": options.policy.name, "rows of the policy": rows, **made, **chosen}


def other_option(made_with: dict[str, Any], given: dict[str, Any]) -> str | None:
    """The first option that differs, and how; None where none does.

    Args:
        made_with: From `as_plain`.
        given: The same.

    Raises:
        KeyError: an option is missing.

    Example:
        >>> other_option({"skew_s": 2.0}, {"skew_s": 3.0})
        'skew_s 2.0, and those given have 3.0'
    """
    for name, value in given.items():
        if made_with[name] != value:
            both = f"{made_with[name]!r}, and those given have {value!r}"
            return f"{name} {'others than those given' if name.startswith('rows') else both}"
    return None


@frozen
class Ids:
    """Ids of which a checker remembers something.

    Attributes:
        runs: Of runs, and of what steps and messages wait for.
        threads: Of threads.

    Example:
        >>> Ids().runs
        set()
    """

    runs: set[str] = Factory(set)
    threads: set[str] = Factory(set)


@frozen(kw_only=True)
class Scope:
    """How far a scope was checked.

    Attributes:
        marks: Of its files, in their order.
        ended: Its last file has been told to have ended.
        told: Lines of violations that were told before what stands above them was decided.

    Example:
        >>> Scope().marks
        ()
    """

    marks: tuple[Mark, ...] = ()
    ended: bool = True
    told: tuple[int, ...] = ()


@frozen
class _Place:
    """Where a scope stands in the file of the state."""

    scope: Scope
    begin: int
    parts: int
    end: int


class Standing:
    """A state, and the one that is to replace it.

    Args:
        file: Its name. There need not be one.
        options: What records are held to; those it was made with must be the same.
        write: Takes the new one, piece by piece.

    Raises:
        TraceUnreadable: it is damaged, of another version, or was made with other options.

    Attributes:
        file: Its name.
        left_out: So many parts could not be written.
        waiting: So many findings wait for what is still to come.
        broken: Something of joined recordings could not be read, so that the new state is not to be kept.

    Example:
        >>> new = []
        >>> standing = Standing("nowhere.state", Options(), new.append)
        >>> standing.scope("/a.jsonl").marks, standing.close(), len(new)
        ((), None, 1)
    """

    def __init__(self, file: str, options: Options, write: Callable[[bytes], object]) -> None:
        self.file = file
        self.left_out = self.waiting = 0
        self.broken = False
        self._options = as_plain(options)
        self._write = write
        self._places: dict[str, _Place] = {}
        self._kept: set[str] = set()
        if Path(file).exists():
            try:
                self._read()
            except TraceUnreadable:
                raise
            except OSError as error:
                raise TraceUnreadable(file, 0, 0, f"the state cannot be read: {error.strerror or error}") from None
            except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
                raise self._refused("it is no state of a check, or it is damaged") from None
        head = {"state": _STATE_OF, "version": STATE_VERSION, "options": self._options}
        self._write(as_line(head) + b"\n")

    def scope(self, key: str) -> Scope:
        """How far a scope was checked; nothing of one that was not.

        Args:
            key: Absolute path of its file, or JOINED_SCOPE.
        """
        place = self._places.get(key)
        return Scope() if place is None else place.scope

    def recall(self, key: str, checker: Checker, names: dict[str, str] | None = None) -> None:
        """Let a checker, whose scope has just begun, remember a scope.

        Args:
            key: Which.
            checker: Who.
            names: What recordings are called now that were called otherwise.

        Raises:
            TraceUnreadable: a part is of a kind that is not known.
        """
        try:
            for what, kept in self._parts(key):
                if names and what in ("open", "ended"):
                    kept[1]["recording"] = names.get(kept[1]["recording"], kept[1]["recording"])
                if not checker.memory.take(what, kept) and not checker.around.take(what, kept):
                    raise self._refused(f"it holds {what!r}, which this version of runengine does not know")
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._refused("its content is not what a check writes") from None

    def ids(self, key: str) -> Ids:
        """Ids of which a scope remembers something."""
        ids = Ids()
        for what, kept in self._parts(key):
            if what in _OF_A_RUN and len(kept) > 1:
                ids.runs.add(kept[0])
            elif what in ("streaming", "apart"):
                ids.runs.update(each if isinstance(each, str) else each[0] for each in kept)
            elif what == "companion" and kept[1]["run_id"] is not None:
                ids.runs.add(kept[1]["run_id"])
            elif what == "thread":
                ids.threads.add(kept[0])  # its runs are told one by one
        return ids

    def keep(self, key: str, scope: Scope, checker: Checker) -> None:
        """Write how far a scope has been checked now, in place of how far it was.

        Args:
            key: Which.
            scope: How far.
            checker: What is remembered. Nothing more will be asked of a scope of one file that does not grow.
        """
        self._kept.add(key)
        marks = [mark.kept() for mark in scope.marks]
        self._write(as_line(["scope", key, marks, scope.ended, scope.told]) + b"\n")
        digest = sha256()
        over = key != JOINED_SCOPE and not any(mark.grows for mark in scope.marks)
        for line in () if over else as_parts(checker):
            if line is None:
                self.left_out += 1
                continue
            self._write(line + b"\n")
            digest.update(line)
            self.waiting += line.startswith(_WAITS)
        self._write(as_line(["end", digest.hexdigest()]) + b"\n")

    def close(self) -> None:
        """Write what was not replaced."""
        left = [place for key, place in self._places.items() if key not in self._kept]
        if not left:
            return
        with Path(self.file).open("rb") as file:
            for place in left:
                file.seek(place.begin)
                while file.tell() < place.end:
                    self._write(file.read(min(place.end - file.tell(), 1 << 20)))

    def _read(self) -> None:
        with Path(self.file).open("rb") as file:
            self._check_head(json.loads(next(file, b"")))
            begin = parts = at = file.tell()
            scope: list[Any] | None = None
            digest = sha256()
            for line in iter(file.readline, b""):
                at += len(line)
                if line.startswith(_SCOPE) and scope is None:
                    scope, begin, parts, digest = json.loads(line), at - len(line), at, sha256()
                elif line.startswith(_END) and scope is not None and line.endswith(b"\n"):
                    if json.loads(line)[1] != digest.hexdigest():
                        raise self._refused("it is damaged: what it holds does not agree with its checksum")
                    _, key, marks, ended, told = scope
                    made = Scope(marks=tuple(map(Mark.taken, marks)), ended=ended, told=tuple(told))
                    self._places[key], scope = _Place(made, begin, parts, at), None
                elif scope is None:
                    raise ValueError(line)
                else:
                    digest.update(line[:-1])
            if scope is not None:
                raise self._refused("it is damaged: it breaks off")

    def _check_head(self, head: dict[str, Any]) -> None:
        if head["state"] != _STATE_OF:
            raise ValueError(head["state"])
        if head["version"] != STATE_VERSION:
            problem = f"it is of version {head['version']!r}, and this runengine reads version {STATE_VERSION}"
            raise self._refused(problem)
        other = other_option(head["options"], self._options)
        if other is not None:
            problem = f"it was made with other options: {other}; give the same, or another --state FILE"
            raise self._refused(problem)

    def _parts(self, key: str) -> Iterator[tuple[str, Any]]:
        place = self._places.get(key)
        if place is None:
            return
        with Path(self.file).open("rb") as file:
            file.seek(place.parts)
            yield from map(json.loads, _up_to_end(file))

    def _refused(self, problem: str) -> TraceUnreadable:
        return TraceUnreadable(self.file, 0, 0, f"the state was refused: {problem}")


def _up_to_end(lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line.startswith(_END):
            return
        yield line
