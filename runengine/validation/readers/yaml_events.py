"""YAML, entry by entry: the only importer of yaml. What a document's top-level lists hold, and nothing else of it.

It reads the parser's events, so that nothing is made of a tag but text, and bytes of `!!binary`; an alias is the value
it stands for, once more and not a copy; and every bound is kept while reading: of one entry, of one piece of text, of
depth, and of what anchors keep. Source: YAML 1.1, https://yaml.org/spec/1.1.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

from attrs import define, field

from runengine.errors import MissingExtra
from runengine.validation.observations import Unreadable
from runengine.validation.readers.yaml_places import Kept, lines_in_quotes

__all__ = ["DEPTH_MAX", "ENTRY_BYTES_MAX", "ENTRY_EVENTS_MAX", "Entry", "Node", "Text", "yaml_entries"]

ENTRY_BYTES_MAX: Final = 64 * 1024 * 1024
"""Most bytes of one entry, of a file between two events, and of all that anchors keep."""

ENTRY_EVENTS_MAX: Final = 200_000
"""Most events (pieces of text, beginnings and ends) of one entry."""

DEPTH_MAX: Final = 32
"""Deepest nesting."""

_ANCHORS_MAX: Final = 100_000
_PASSED_DEPTH_MAX: Final = 1_000
_PLACED_MAX: Final = 4
"""Texts of one entry whose lines are looked for: an exchange has two bodies."""

_CHUNK: Final = 64 * 1024
_BINARY: Final = ("tag:yaml.org,2002:binary", "!binary")
_QUOTES: Final = ("'", '"')
_STREAM_STARTS: Final = ("event:", "data:", ":")
_NULLS: Final = ("", "~", "null", "Null", "NULL")


class Text(NamedTuple):
    """A piece of text and its place.

    Attributes:
        value: The text; bytes of `!!binary`.
        line: Where it begins, from 1.
        lines: The line of the file in which each of its lines stands, for literal blocks and for event streams in
            quotes; empty where it is not known.

    Example:
        >>> Text("queued", 3).lines
        ()
    """

    value: str | bytes
    line: int
    lines: Sequence[int] = ()


Node = Text | Mapping[str, Any] | Sequence[Any] | None
"""A value: text (numbers too), a mapping or a sequence of nodes, or null."""


class Entry(NamedTuple):
    """One entry of a top-level list.

    Attributes:
        name: The key of the list.
        line: Where the entry begins, from 1.
        node: What it holds.

    Example:
        >>> Entry("interactions", 3, None).name
        'interactions'
    """

    name: str
    line: int
    node: Node


class _TooLong(Exception):
    """More bytes than a bound allows, before the parser came to an event."""


class _TooMuch(Exception):
    """An entry past a bound; the message says which."""


@define
class _Metered:
    """A file that gives no more than so many bytes between two events."""

    file: BinaryIO
    given: int = 0
    kept: Kept = field(factory=lambda: Kept(ENTRY_BYTES_MAX))

    def read(self, size: int = -1) -> bytes:
        wanted = min(size, _CHUNK) if size > 0 else _CHUNK
        self.given += wanted
        if self.given > ENTRY_BYTES_MAX:
            raise _TooLong
        data = self.file.read(wanted)
        self.kept.add(data)
        return data


@define
class _Composer:
    """Events to nodes, within bounds."""

    events: Iterator[Any]
    source: _Metered
    anchors: dict[str, tuple[Node, int]] = field(factory=dict)
    kept_bytes: int = 0
    line: int = 1
    spent_events: int = 0
    spent_bytes: int = 0
    aliased_bytes: int = 0
    placed: int = 0
    has_unkept: bool = False

    def next(self) -> Any:
        event = next(self.events, None)
        if event is None:
            raise _TooMuch("cut off")
        self.source.given = 0
        self.line = event.start_mark.line + 1
        return event

    def fresh(self) -> None:
        """Begin a new entry."""
        self.spent_events = self.spent_bytes = self.placed = 0
        self.source.kept.forget(self.line)

    def spend(self, size: int, depth: int) -> None:
        self.spent_events += 1
        self.spent_bytes += size
        if self.spent_events > ENTRY_EVENTS_MAX:
            raise _TooMuch(f"an entry of more than {ENTRY_EVENTS_MAX} parts")
        if self.spent_bytes > ENTRY_BYTES_MAX:
            raise _TooMuch(f"an entry of more than {ENTRY_BYTES_MAX} bytes")
        if depth > DEPTH_MAX:
            raise _TooMuch(f"nested deeper than {DEPTH_MAX}")

    def node(self, event: Any, depth: int = 1) -> Node:
        """The node that begins with this event."""
        kind = type(event).__name__
        if kind == "AliasEvent":
            self.spend(0, depth)
            return self._alias(event.anchor)
        before = self.spent_bytes
        made: Node
        if kind == "ScalarEvent":
            self.spend(len(event.value), depth)
            made = self._text(event)
        else:
            self.spend(0, depth)
            made = self._mapping(depth) if kind == "MappingStartEvent" else self._sequence(depth)
        if event.anchor is not None:
            self._keep(event.anchor, made, self.spent_bytes - before)
        return made

    def _alias(self, anchor: str) -> Node:
        if anchor not in self.anchors:
            unkept = "was not kept: outside of the entries, only anchors of text are"
            raise _TooMuch(f"*{anchor[:40]} stands for {f'what {unkept}' if self.has_unkept else 'nothing before it'}")
        node, size = self.anchors[anchor]
        # A body of a megabyte could be read a million times over, for eight bytes each.
        self.aliased_bytes += size
        if self.aliased_bytes > ENTRY_BYTES_MAX:
            raise _TooMuch(f"aliases that stand for more than {ENTRY_BYTES_MAX} bytes")
        return node

    def _text(self, event: Any) -> Text | None:
        value: str | bytes = event.value
        if event.tag in _BINARY:
            try:
                return Text(b64decode(event.value.encode("ascii", "replace")), self.line)
            except binascii.Error:
                return Text(value, self.line)
        if event.style is None and event.tag is None and event.value in _NULLS:
            return None
        return Text(value, self.line, self._lines(event))

    def _lines(self, event: Any) -> Sequence[int]:
        start, end = event.start_mark, event.end_mark
        first, breaks = start.line + 1, event.value.count("\n")
        if event.style == "|":
            return range(first + 1, first + breaks + 2)
        if event.style not in _QUOTES or not event.value.startswith(_STREAM_STARTS) or self.placed >= _PLACED_MAX:
            return ()
        self.placed += 1
        quoted = self.source.kept.quoted((first, start.column), (end.line + 1, end.column))
        lines = lines_in_quotes(quoted, first)
        return lines if len(lines) == breaks + 1 and quoted.startswith(event.style) else ()

    def _mapping(self, depth: int) -> dict[str, Node]:
        made: dict[str, Node] = {}
        while type(event := self.next()).__name__ != "MappingEndEvent":
            key = self.node(event, depth + 1)
            value = self.node(self.next(), depth + 1)
            if isinstance(key, Text):
                made[key.value if isinstance(key.value, str) else key.value.decode("latin-1")] = value
        return made

    def _sequence(self, depth: int) -> list[Node]:
        made: list[Node] = []
        while type(event := self.next()).__name__ != "SequenceEndEvent":
            made.append(self.node(event, depth + 1))
        return made

    def unkept(self, anchor: str | None) -> None:
        """Take note of an anchor whose node is not kept."""
        if anchor is not None:
            self.has_unkept = True
            self.kept_bytes -= self.anchors.pop(anchor, (None, 0))[1]

    def _keep(self, anchor: str, node: Node, size: int) -> None:
        self.kept_bytes += size - self.anchors.get(anchor, (None, 0))[1]
        self.anchors[anchor] = (node, size)
        if self.kept_bytes > ENTRY_BYTES_MAX or len(self.anchors) > _ANCHORS_MAX:
            raise _TooMuch(f"anchors of more than {ENTRY_BYTES_MAX} bytes, or more than {_ANCHORS_MAX} of them")

    def pass_over(self, event: Any) -> None:
        """Read past the node that begins with this event; of its anchors, those of text are kept, as far as can be."""
        depth = 0
        while True:
            kind = type(event).__name__
            if kind == "ScalarEvent" and event.anchor is not None and self._has_room(event.value):
                self._keep(event.anchor, self._text(event), len(event.value))
            elif kind in ("ScalarEvent", "MappingStartEvent", "SequenceStartEvent"):
                self.unkept(event.anchor)
            depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
            if depth > _PASSED_DEPTH_MAX:
                raise _TooMuch(f"nested deeper than {_PASSED_DEPTH_MAX}")
            if not depth:
                return
            event = self.next()

    def _has_room(self, value: str) -> bool:
        """Half of the bounds: what is passed over leaves room for what is not."""
        return self.kept_bytes + len(value) <= ENTRY_BYTES_MAX // 2 and len(self.anchors) < _ANCHORS_MAX // 2


def yaml_entries(file: BinaryIO, names: Sequence[str]) -> Iterator[Entry | Unreadable]:
    r"""The entries of the top-level lists with these names, one at a time, whatever else stands beside them.

    What cannot be read is said once, at its line, and ends the reading: YAML does not tell where the next entry begins.

    Args:
        file: Its bytes, in UTF-8 or UTF-16.
        names: Keys of the document.

    Raises:
        MissingExtra: pyyaml is not installed.

    Example:
        >>> import io
        >>> text = b"version: 1\nentries:\n- status: queued\n- status: [*nothing]\n"
        >>> [(type(e).__name__, e.line) for e in yaml_entries(io.BytesIO(text), ["entries"])]
        [('Entry', 3), ('Unreadable', 4)]
    """
    try:
        import yaml
    except ImportError:
        raise MissingExtra("reading YAML recordings", "readers") from None
    source = _Metered(file)
    parsing: Any = yaml.parse(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    reading = _Composer(parsing, source)
    try:
        yield from _documents(reading, names)
    except _TooLong:
        yield _unread(reading.line, f"more than {ENTRY_BYTES_MAX} bytes after this line without an end")
    except _TooMuch as error:
        yield _unread(reading.line, str(error))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        yield _unread(reading.line if mark is None else mark.line + 1, f"not YAML: {error.problem or error.context}")
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        yield _unread(reading.line, f"not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    finally:
        parsing.close()


def _unread(line: int, problem: str) -> Unreadable:
    return Unreadable(line=line, problem=f"{problem}; the rest was not read")


def _documents(reading: _Composer, names: Sequence[str]) -> Generator[Entry, None, None]:
    while (kind := type(event := reading.next()).__name__) != "StreamEndEvent":
        if kind == "MappingStartEvent":
            yield from _document(reading, names)
        elif kind == "SequenceStartEvent":
            reading.pass_over(event)


def _document(reading: _Composer, names: Sequence[str]) -> Generator[Entry, None, None]:
    while type(event := reading.next()).__name__ != "MappingEndEvent":
        reading.fresh()
        key = reading.node(event)
        name = key.value if isinstance(key, Text) and isinstance(key.value, str) else ""
        event = reading.next()
        if name not in names or type(event).__name__ != "SequenceStartEvent":
            reading.pass_over(event)
            continue
        reading.unkept(event.anchor)
        while type(event := reading.next()).__name__ != "SequenceEndEvent":
            reading.fresh()
            line = reading.line
            yield Entry(name, line, reading.node(event))
