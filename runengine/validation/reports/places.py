"""Where a field stands in the text of a recording: JSON read with its places, whatever the text.

Nothing is refused: text that is no JSON, is cut off or goes on with something else has the places that it has.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from attrs import Factory, define

__all__ = ["Part", "Spot", "parts_of", "spot_of"]

_TOKEN: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+')
_INDEX: Final = re.compile(r"\[(\d{1,9})\]")
_STREAM: Final = ("event:", "data:", "id:", "retry:")
_RUN_KEYS: Final = ("id", "run_id", "runId")
_SEARCH_CHARS: Final = 64 * 1024
_QUOTE: Final = r'\\{0,7}"'


class Spot(NamedTuple):
    """What is pointed at.

    Attributes:
        start: Its first character.
        end: The one after its last.
        whole: The field itself was found, with what it holds.

    Example:
        >>> Spot(2, 9).whole
        True
    """

    start: int
    end: int
    whole: bool = True


@define
class Part:
    """One value of a JSON text, with its place.

    Attributes:
        start: Its first character.
        end: The one after its last.
        members: Of an object: each key's place and value.
        elements: Of an array.
        key: Of an object that is being read: the key that waits for its value.

    Example:
        >>> part = parts_of('{"id": "run_1"}')[0]
        >>> part.start, part.end, list(part.members)
        (0, 15, ['id'])
    """

    start: int
    end: int
    members: dict[str, tuple[int, Part]] | None = None
    elements: list[Part] | None = None
    key: tuple[int, str] | None = None


@define
class _Reading:
    """Objects and arrays that are not closed yet, and what stands outside of any."""

    top: list[Part] = Factory(list)
    open: list[Part] = Factory(list)

    def take(self, part: Part) -> None:
        holder = self.open[-1] if self.open else None
        if holder is None:
            self.top.append(part)
        elif holder.elements is not None:
            holder.elements.append(part)
        elif holder.members is not None and holder.key is not None:
            place, name = holder.key
            holder.members[name] = (place, part)
            holder.key = None


def parts_of(text: str) -> list[Part]:
    r"""The values that begin on the first line of a text, in order; of an event stream, the event's data.

    Args:
        text: The text from that line on.

    Example:
        >>> [text[p.start : p.end] for text in ['}, {"a": [1,\n2]},\n{"b": 3}'] for p in parts_of(text)]
        ['{"a": [1,\n2]}']
    """
    reading = _Reading()
    line_end = text.find("\n")
    goes_on = line_end < 0 or text.startswith(_STREAM)
    for match in _TOKEN.finditer(text):
        token, start = match[0], match.start()
        if not reading.open and start > line_end >= 0 and (reading.top or not goes_on):
            break
        mark = token[0]
        if mark in "{[":
            part = Part(start, len(text), {} if mark == "{" else None, [] if mark == "[" else None)
            reading.take(part)
            reading.open.append(part)
        elif mark in "}]":
            if reading.open:
                reading.open.pop().end = match.end()
        elif mark == ",":
            if reading.open:
                reading.open[-1].key = None
        elif mark != ":" and reading.open:
            holder = reading.open[-1]
            if holder.members is not None and holder.key is None and mark == '"':
                holder.key = (start, _name(token))
            else:
                reading.take(Part(start, match.end()))
    return reading.top


def _name(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token.strip('"')


def spot_of(text: str, parts: list[Part], run_id: str | None, field: str | None, found: Any) -> Spot | None:
    """Where a field of a run stands; the beginning of the object, where it has none; None where the run is not there.

    Args:
        text: The text from a line on.
        parts: What `parts_of` says of it.
        run_id: The run, or None where it could not be told.
        field: Path of the field, as `usage.total_tokens` or `tools[2].type`, or None.
        found: What was found there: tells apart records of the same run.

    Example:
        >>> text = '{"data": {"id": "run_1", "usage": {"total_tokens": 7}}}'
        >>> spot = spot_of(text, parts_of(text), "run_1", "usage.total_tokens", 7)
        >>> text[spot.start : spot.end]
        '"total_tokens": 7'
        >>> spot_of(text, parts_of(text), "run_1", "model", None)
        Spot(start=9, end=10, whole=False)
        >>> spot_of(text, parts_of(text), "run_2", "model", None) is None
        True
    """
    objects = [part for part in _within(parts) if part.members is not None]
    if run_id is not None:
        objects = [part for part in objects if _is_of(text, part, run_id)]
        if not objects:
            return _spelled(text, run_id, field, found)
    best = None
    for part in objects:
        spot, value = _walk(part, field or "")
        if spot.whole and field and (value is None or _reads(text[value.start : value.end]) == found):
            return spot
        if best is None or (spot.whole and not best.whole):
            best = spot
    return best


def _within(parts: list[Part]) -> Iterator[Part]:
    """The parts and all parts of them, outer ones first."""
    waiting = deque(parts)
    while waiting:
        part = waiting.popleft()
        yield part
        waiting.extend(part.elements or [value for _, value in (part.members or {}).values()])


def _is_of(text: str, part: Part, run_id: str) -> bool:
    members = part.members or {}
    named = (members[key][1] for key in _RUN_KEYS if key in members)
    return any(_reads(text[value.start : value.end]) == run_id for value in named)


def _reads(token: str) -> Any:
    try:
        return json.loads(token)
    except (ValueError, RecursionError):
        return token


def _walk(part: Part, path: str) -> tuple[Spot, Part | None]:
    """What stands at a path: itself and its value; or the beginning of what should have held it."""
    at, spot = part, Spot(part.start, part.start + 1, whole=False)
    while path:
        here = Spot(at.start, at.start + 1, whole=False)
        if at.members is not None:
            name, rest = _longest(at.members, path)
            if name is None:
                return here, None
            place, at = at.members[name]
            spot, path = Spot(place, at.end), rest
        elif at.elements is not None and (index := _INDEX.match(path)) and int(index[1]) < len(at.elements):
            at = at.elements[int(index[1])]
            spot, path = Spot(at.start, at.end), path[index.end() :].removeprefix(".")
        else:
            return here if at.members is not None or at.elements is not None else spot._replace(whole=False), None
    return spot, at if spot.whole else None


def _longest(members: dict[str, tuple[int, Part]], path: str) -> tuple[str | None, str]:
    """The longest beginning of a path that is a key, in any spelling of it, and the rest of the path."""
    spelled: dict[str, str] | None = None
    cut = len(path)
    while cut > 0:
        name, rest = path[:cut], path[cut:].removeprefix(".")
        if name in members:
            return name, rest
        spelled = {_humbly(known): known for known in members} if spelled is None else spelled
        if _humbly(name) in spelled:
            return spelled[_humbly(name)], rest
        cut = max(path.rfind(".", 0, cut), path.rfind("[", 0, cut))
    return None, path


def _humbly(name: str) -> str:
    """A name without what dialects spell in their own ways: `created_at`, `createdAt`, `CreatedAt`."""
    return name.replace("_", "").lower()


def _spelled(text: str, run_id: str, field: str | None, found: Any) -> Spot | None:
    """The field in JSON that stands in a string of something else (a cassette, an archive), where its value does."""
    begins = text.find(run_id, 0, _SEARCH_CHARS)
    if begins < 0 or field is None:
        return None
    name = re.escape(field.rpartition(".")[2].partition("[")[0])
    value = re.escape(json.dumps(found)) if found is None or isinstance(found, (bool, int, float, str)) else r"[\[{]"
    value = value.replace('"', _QUOTE)
    match = re.compile(rf"{_QUOTE}{name}{_QUOTE}:\s*{value}").search(text, begins, begins + _SEARCH_CHARS)
    return Spot(match.start(), match.end()) if match else None
