"""What the rules on one record say, judged once for all records that are alike, and remembered.

Layouts by `rules.layout`, for each kinds of values, status and date; what a run was asked with by `rules.payload`, for
each text; what was said around a record by `rules.path`, for each two words. Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from operator import eq
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from runengine.core.candidates import era_of
from runengine.core.fields import FIELDS, STAMPS, WIRE_EXTRAS
from runengine.core.statuses import STATUSES, Status
from runengine.dialects.wire import ABSENT, NotJSON, decode
from runengine.validation.bulk.batch import SEEN_IN, Bools, Ints, Keys, LayoutKey
from runengine.validation.bulk.hashing import hash_texts
from runengine.validation.observations import Observation, Sampling, shows_all
from runengine.validation.profiling.dwell import MODIFY
from runengine.validation.readers.envelopes import RUN_OBJECTS, items_of
from runengine.validation.rules.layout import layout_of
from runengine.validation.rules.path import birth_findings, event_findings
from runengine.validation.rules.payload import field_findings

__all__ = ["ASKED", "RAW", "STATED", "Asked", "Said", "Shapes", "is_silent"]

ASKED: Final = ("object", "assistant_id", *(n for n, f in FIELDS.items() if f.role == "request"), *WIRE_EXTRAS)
"""What a run was asked with: never changes in its life, and is much the same in many runs."""

STATED: Final = (
    *(n for n in STAMPS if n != "created_at"),
    *(n for n, f in FIELDS.items() if f.role == "payload"),
    "metadata",
)
"""What tells the state of a run: of each, a record has a value of its type, null, or no key."""

RAW: Final = frozenset(
    n for n in ASKED[2:] if n not in FIELDS or FIELDS[n].kind not in ("number", "integer", "boolean")
)
"""Those of `ASKED` that are compared as bytes."""

_IS_RAW: Final = tuple(name in RAW for name in ASKED)
_TYPES: Final = {name: int if FIELDS[name].kind == "stamp" else dict for name in STATED}
_CERTAIN: Final = {"id": str, "created_at": int, "thread_id": str, "status": str}
_ORDER: Final = (*FIELDS, *WIRE_EXTRAS)
_REMEMBERED_MAX: Final = 4096
_STATES: Final = 3 ** len(STATED)
_NULL: Final = type(None)

Candidates = tuple[int, ...]


class Asked:
    """Numbers what runs were asked with: those that were asked with the same have the same number.

    Attributes:
        values: By number: the value of each of `ASKED` by its name, `ABSENT` left out; None where one is not JSON.
        kinds: By number: a number for the types of the values.
        types: By number of kinds: the types, in the order of `ASKED`.

    Example:
        >>> from runengine.dialects.wire import rows_decoder
        >>> row = rows_decoder({name: "raw" if name in RAW else "value" for name in ASKED}).one(b"{}")
        >>> nothing = tuple(getattr(row, name) for name in ASKED[2:])
        >>> Asked().numbers([("thread.run", name, *nothing) for name in ("asst_1", "asst_2", "asst_1")])
        [0, 1, 0]
    """

    def __init__(self) -> None:
        self.values: list[dict[str, Any] | None] = []
        self.kinds: list[int] = []
        self.types: list[tuple[Any, ...]] = []
        self._digests: list[int] = []
        self._copies: list[tuple[Any, ...]] = []
        self._usual: dict[str, tuple[tuple[Any, ...], int]] = {}
        self._known: dict[tuple[Any, ...], int] = {}
        self._known_types: dict[tuple[Any, ...], int] = {}

    def numbers(self, asks: Sequence[tuple[Any, ...]]) -> list[int]:
        """The number of each.

        Args:
            asks: Values of `ASKED`, the raw ones not decoded.
        """
        usual = self._usual
        assistants = [ask[1] for ask in asks]
        for assistant, ask in zip(assistants, asks, strict=True) if not usual.keys() >= {*assistants} else ():
            if assistant not in usual:
                number = self._number(ask)
                usual[assistant] = (self._copies[number], number)
        found = [usual[assistant] for assistant in assistants]
        numbers = [number for _, number in found]
        same = list(map(eq, asks, [ask for ask, _ in found]))
        if all(same):
            return numbers
        others = [place for place, is_same in enumerate(same) if not is_same]
        for place in others:
            numbers[place] = self._number(asks[place])
        if len(others) * 2 > len(asks):
            usual.clear()  # most are asked with something else by now
        return numbers

    def digests(self) -> Keys:
        """By number: a digest of the values as they stand."""
        return np.array(self._digests, np.uint64)

    def _number(self, ask: tuple[Any, ...]) -> int:
        texts = tuple([bytes(value) if is_raw else value for value, is_raw in zip(ask, _IS_RAW, strict=True)])
        number = self._known.get(texts)
        if number is None:
            number = self._known[texts] = len(self.values)
            value = _decoded(texts)
            types = () if value is None else tuple(type(value.get(name, ABSENT)) for name in ASKED)
            self.values.append(value)
            self.kinds.append(self._known_types.setdefault(types, len(self.types)))
            if self.kinds[-1] == len(self.types):
                self.types.append(types)
            self._digests.append(int(hash_texts([repr(texts).encode("utf-8", "surrogatepass")])[0]))
            # What is raw holds on to all that was read with it: a copy does not.
            copies = [value.copy() if is_raw else value for value, is_raw in zip(ask, _IS_RAW, strict=True)]
            self._copies.append(tuple(copies))
        return number


def _decoded(texts: tuple[Any, ...]) -> dict[str, Any] | None:
    try:
        pairs = ((n, decode(v) if v.__class__ is bytes else v) for n, v in zip(ASKED, texts, strict=False) if v != b"")
        return {name: value for name, value in pairs if value is not ABSENT}
    except NotJSON:
        return None


class Shapes:
    """Judges shapes: what was asked with, status, generation of the date and state, each as a number.

    Args:
        generation: The one records are held to, or None.

    Attributes:
        asked: What runs were asked with.
        candidates: By number: generations that records may belong to.
        layouts: By number: a layout of such records.

    Example:
        >>> Shapes(None).eras(np.array([1_714_348_800, 1_714_348_801])).tolist()
        [8, 8]
    """

    def __init__(self, generation: int | None) -> None:
        self._generation = generation
        self.asked = Asked()
        self.candidates: list[Candidates] = []
        self.layouts: list[LayoutKey] = []
        self._numbers: dict[tuple[Candidates, Candidates], int] = {}
        self._layouts: dict[tuple[int, int, int, int], int] = {}
        self._fields: dict[tuple[str, Any, int], bool] = {}
        self._good: dict[tuple[int, int], bool] = {}

    def eras(self, created: Ints) -> Ints:
        """`era_of` each stamp; it grows with them."""
        first, last = era_of(int(created.min())), era_of(int(created.max()))
        if first == last:
            return np.full(len(created), first, np.int64)
        return np.array([era_of(stamp) for stamp in created.tolist()], np.int64)

    def judged(self, asked: Ints, status: Ints, eras: Ints, states: Ints) -> Ints:
        """The number of the candidates of each record, or -1 where layout or request need a word.

        Args:
            asked: Numbers of what they were asked with.
            status: Index of the status.
            eras: From `eras`.
            states: The states of `STATED` (0 no key, 1 null, 2 a value) as digits to the base of three.
        """
        shapes = ((asked * len(STATUSES) + status) * 64 + eras + 1) * _STATES + states
        distinct, places = np.unique(shapes, return_inverse=True)
        judged = np.empty(len(distinct), np.int64)
        for place, shape in enumerate(distinct.tolist()):
            rest, state = divmod(shape, _STATES)
            rest, era = divmod(rest, 64)
            number, index = divmod(rest, len(STATUSES))
            judged[place] = self._judged(number, index, era - 1, state)
        found: Ints = judged[places]
        return found

    @property
    def is_full(self) -> bool:
        """So much is remembered that it is best to begin anew."""
        return len(self.asked.values) > _REMEMBERED_MAX or len(self._layouts) > _REMEMBERED_MAX

    def _judged(self, number: int, index: int, era: int, state: int) -> int:
        values = self.asked.values[number]
        if values is None:
            return -1
        key = (self.asked.kinds[number], index, era, state)
        found = self._layouts.get(key)
        if found is None:
            found = self._layouts[key] = self._layout(*key)
        if found < 0:
            return -1
        good = self._good.get((number, found))
        if good is None:
            good = self._good[number, found] = all(self._fits(n, v, found) for n, v in values.items() if n in FIELDS)
        return found if good else -1

    def _layout(self, kinds: int, index: int, era: int, state: int) -> int:
        types: dict[str, Any] = {**_CERTAIN, **dict(zip(ASKED, self.asked.types[kinds], strict=True))}
        for name in reversed(STATED):
            state, digit = divmod(state, 3)
            types[name] = (type(ABSENT), _NULL, _TYPES[name])[digit]
        there = [name for name in _ORDER if types[name] is not type(ABSENT)]
        status: Status = STATUSES[index]
        keys, kinds_of = tuple(there), tuple(types[name] for name in there)
        layout = layout_of(status, keys, kinds_of, era, self._generation)
        if layout.findings:
            return -1
        both = (layout.candidates, layout_of(status, keys, kinds_of, era).candidates)
        if both not in self._numbers:
            self._numbers[both] = len(self.candidates)
            self.candidates.append(layout.candidates)
            self.layouts.append((status, keys, kinds_of, era, None))
        return self._numbers[both]

    def _fits(self, name: str, value: Any, candidates: int) -> bool:
        if value is None:
            return True
        try:
            key = (name, repr(value), candidates)
        except RecursionError:
            return False
        good = self._fields.get(key)
        if good is None:
            good = self._fields[key] = is_silent(name, value, self.candidates[candidates])
        return good


def is_silent(name: str, value: Any, candidates: Candidates) -> bool:
    """Whether nothing is to be said of what is inside a field.

    Args:
        name: The field.
        value: Its value, not null.
        candidates: Generations the record may belong to.

    Example:
        >>> is_silent("usage", {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}, (16,))
        True
    """
    with suppress(RecursionError):
        return not any(field_findings(name, value, candidates))
    return False


class Said:
    """Judges what is said around records: a number for each kind and event.

    Args:
        sampling: What the user says of the recording.

    Example:
        >>> said = Said("auto")
        >>> numbers = np.array(said.numbers(["history", "stream", "create"], ["create", None, None]))
        >>> said.silent(numbers, np.array([0, 0, 1])).tolist(), said.complete(numbers).tolist()
        ([True, False, False], [True, True, False])
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling: Sampling = sampling
        self._known: dict[tuple[Any, Any], int] = {}
        self._silent: list[list[bool]] = []
        self._complete: list[bool] = []
        self._sources: list[int] = []
        self._moved: list[bool] = []

    def numbers(self, kinds: Iterable[Any], events: Iterable[Any]) -> list[int]:
        """The number of each kind and event."""
        known, pairs = self._known, list(zip(kinds, events, strict=True))
        try:
            return [known[pair] for pair in pairs]
        except KeyError:
            return [self._judged(pair) for pair in pairs]

    @property
    def is_full(self) -> bool:
        """So much is remembered that it is best to begin anew."""
        return len(self._known) > _REMEMBERED_MAX

    def silent(self, numbers: Ints, status: Ints) -> Bools:
        """Whether nothing is to be said of each, with its status, and it comes from no stream."""
        table = np.array(self._silent, np.bool_)
        found: Bools = table[numbers, status]
        return found

    def complete(self, numbers: Ints) -> Bools:
        """Whether every status is visible where it was said."""
        return np.array(self._complete, np.bool_)[numbers]

    def sources(self, numbers: Ints) -> NDArray[np.int8]:
        """Where each was seen, as an index into SEEN_IN; means nothing of a stream."""
        return np.array(self._sources, np.int8)[numbers]

    def moved(self, numbers: Ints) -> Bools:
        """Whether an event of an engine's history brought the run there."""
        return np.array(self._moved, np.bool_)[numbers]

    def _judged(self, two: tuple[Any, Any]) -> int:
        if two in self._known:
            return self._known[two]
        said = {name: word for name, word in zip(("kind", "event"), two, strict=True) if word is not ABSENT}
        (item,) = items_of({**said, "data": {"object": RUN_OBJECTS[0]}}, 1)
        assert isinstance(item, Observation)
        self._silent.append(
            [
                item.source != "stream"
                and not any(birth_findings(status, item.created))
                and not any(event_findings(item.event, status))
                for status in STATUSES
            ]
        )
        self._complete.append(shows_all(item.source, self._sampling))
        self._sources.append(SEEN_IN.index(item.source) if item.source in SEEN_IN else 0)
        self._moved.append(item.source == "history" and item.event not in (None, MODIFY))
        self._known[two] = len(self._known)
        return self._known[two]
