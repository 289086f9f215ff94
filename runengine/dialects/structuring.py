"""From plain values with the API's own keys to records and back. The only importer of cattrs.

cattrs is the registry: it finds the hook of a type. The hooks are made here from the record classes' annotations, one
row per field. JSON values have exact classes, so the class of a value decides what is done with it: nothing is coerced,
and a refusal does not stop the rest from being looked at, so one pass finds every problem.

Values inside `extra`, `metadata` and other free objects are shared with the document, not copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeGuard, Union, get_args, get_origin, get_type_hints

from attrs import NOTHING, frozen
from attrs import fields as attrs_fields
from cattrs import Converter

from runengine.core.events import Event
from runengine.core.parts import JSON, Part
from runengine.core.records import RunObject
from runengine.dialects.wire import decode
from runengine.errors import DialectError, PayloadError, UnknownSpelling

__all__ = ["make_event_reader", "make_event_writer", "make_reader", "make_writer"]

Read = Callable[[Any, Any], Any]
Write = Callable[[Any], Any]
Arms = dict[type, Read | None]

_PLAIN: Final = {str: (str,), int: (int,), float: (float, int), bool: (bool,), NoneType: (NoneType,)}
_WORD: Final = {NoneType: "null", list: "array", dict: "object"}
_BITS_MAX: Final = 128  # longer integers are not worth quoting
_new: Final = object.__new__
_set_fields: Final = Part.__dict__["__dict__"].__set__


def make_reader(name: str) -> Callable[[JSON | bytes | str], RunObject]:
    """Make the function that reads a run.

    Args:
        name: The dialect's name, for messages.

    Returns:
        From a JSON text or a decoded value to a run; it raises `PayloadError` or `UnknownSpelling`.

    Example:
        >>> make_reader("native")({"id": 5})
        Traceback (most recent call last):
        runengine.errors.PayloadError: $.id: expected str, found int 5; ...
    """
    read_value: Read = _make_converter().get_structure_hook(RunObject)

    def read(value: JSON | bytes | str) -> RunObject:
        try:
            run: RunObject = read_value(decode(value) if isinstance(value, bytes | str) else value, RunObject)
        except _Refused as refused:
            raise refused.error(name) from None
        return run

    return read


def make_writer() -> Callable[[RunObject], dict[str, JSON]]:
    """Make the function that writes a run as a plain value; a declared key in `extra` raises `DialectError`.

    Example:
        >>> run = RunObject(id="r", thread_id="t", assistant_id="a", status="queued", created_at=7, model="m")
        >>> make_writer()(run)["created_at"]
        7
    """
    write: Write = _make_converter().get_unstructure_hook(RunObject)
    return write


def make_event_reader(kind: type[Event]) -> Callable[[JSON, int], Event]:
    """Make the function that reads an event's payload; it raises `PayloadError`, or what the event's validators say.

    Example:
        >>> from runengine.core.events import Cancel
        >>> make_event_reader(Cancel)({"reason": "left"}, 5).reason
        'left'
    """
    read: Read = _make_converter().get_structure_hook(kind)

    def read_event(value: JSON, at_us: int) -> Event:
        try:
            event: Event = kind(at_us=at_us, **read(value, kind))
        except _Refused as refused:
            raise refused.error("native") from None
        except (TypeError, ValueError) as error:
            raise PayloadError((f"$: {error}",)) from None
        return event

    return read_event


def make_event_writer(kind: type[Event]) -> Callable[[Event], dict[str, JSON]]:
    """Make the function that writes an event's payload; what is None by default is left out.

    Example:
        >>> from runengine.core.events import Cancel
        >>> make_event_writer(Cancel)(Cancel(at_us=5, reason="left"))
        {'reason': 'left'}
    """
    write: Write = _make_converter().get_unstructure_hook(kind)
    return write


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=False)

    def part_reader(cls: type[Part]) -> Read:
        return _part_reader(cls, converter)

    def part_writer(cls: type[Part]) -> Write:
        return _part_writer(cls, converter)

    def event_reader(cls: type[Event]) -> Read:
        return _event_reader(cls, converter)

    def event_writer(cls: type[Event]) -> Write:
        return _event_writer(cls, converter)

    def array_reader(annotation: Any) -> Read:
        return _array_reader(annotation, converter)

    converter.register_structure_hook_factory(_is_part, part_reader)
    converter.register_structure_hook_factory(_is_array, array_reader)
    converter.register_structure_hook_factory(_is_word, _word_reader)
    converter.register_unstructure_hook_factory(_is_part, part_writer)
    converter.register_structure_hook_factory(_is_event, event_reader)
    converter.register_unstructure_hook_factory(_is_event, event_writer)
    return converter


@frozen
class _Problem:
    path: str
    text: str
    value: JSON = None
    known: tuple[str, ...] = ()


class _Refused(Exception):  # not an error of the library: it never leaves this module
    def __init__(self, *problems: _Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def under(self, step: str) -> Iterable[_Problem]:
        return [_Problem(step + p.path, p.text, p.value, p.known) for p in self.problems]

    def error(self, dialect: str) -> DialectError:
        first = self.problems[0]
        if len(self.problems) == 1 and first.known:
            return UnknownSpelling(dialect, f"${first.path}", first.value, first.known)
        return PayloadError([f"${p.path}: {p.text}" for p in self.problems])


class _Missing:
    """What a key that is not there holds."""


_MISSING: Final = _Missing()


def _leave_out(_value: Any, _annotation: Any) -> None:
    """Marks the arm of a key that may be missing."""


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _is_part(annotation: Any) -> TypeGuard[type[Part]]:
    return isinstance(annotation, type) and issubclass(annotation, Part)


def _is_event(annotation: Any) -> TypeGuard[type[Event]]:
    return isinstance(annotation, type) and issubclass(annotation, Event)


def _is_array(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def _is_word(annotation: Any) -> bool:
    return get_origin(annotation) is Literal


def _arms(annotation: Any, converter: Converter) -> Arms:
    """What to do with a value by its class: take it as it is (None), or hand it to a hook."""
    arms: Arms = {}
    for member in _members(annotation):
        if member in _PLAIN:
            arms.update(dict.fromkeys(_PLAIN[member]))
        elif get_origin(member) is Mapping:
            arms[dict] = None
        else:
            cls = dict if _is_part(member) else list if _is_array(member) else str
            arms[cls] = converter.get_structure_hook(member)
    return arms


def _refuser(arms: Arms) -> Read:
    """The hook of every class that has no arm."""
    expected = " or ".join(_WORD.get(cls, cls.__name__) for cls in arms)

    def refuse(value: Any, _annotation: Any) -> None:
        if value is _MISSING:
            raise _Refused(_Problem("", f"missing, expected {expected}"))
        raise _Refused(_Problem("", f"expected {expected}, found {_found(value)}"))

    return refuse


def _found(value: Any) -> str:
    word = _WORD.get(type(value), type(value).__name__)
    if isinstance(value, str):
        return f"{word} {value!r}" if len(value) <= 60 else f"{word} {value[:60]!r}…"
    if isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= _BITS_MAX):
        return f"{word} {value!r}"
    return word


def _declared(cls: type[Part]) -> dict[str, Any]:
    """The declared fields with their annotations, in the order they are written."""
    hints = get_type_hints(cls)
    return {a.name: hints[a.name] for a in attrs_fields(cls) if a.name not in ("extra", "absent")}


def _payload(cls: type[Event]) -> dict[str, Any]:
    """What an event has beside its time, with its annotations."""
    hints = get_type_hints(cls)
    return {a.name: hints[a.name] for a in attrs_fields(cls) if a.name != "at_us"}


def _part_reader(cls: type[Part], converter: Converter) -> Read:
    rows: list[tuple[str, Arms]] = []
    refusers: dict[str, Read] = {}
    for name, annotation in _declared(cls).items():
        arms = _arms(annotation, converter)
        refusers[name] = _refuser(arms)
        if NoneType in arms:
            arms[_Missing] = _leave_out
        rows.append((name, arms))
    known = frozenset(row[0] for row in rows)

    def read(document: Any, _annotation: Any) -> Part:
        if document.__class__ is not dict:
            raise _Refused(_Problem("", f"expected object, found {_found(document)}"))
        get = document.get
        fields: dict[str, Any] = {}
        absent: list[str] = []
        problems: list[_Problem] = []
        for name, arms in rows:
            value = get(name, _MISSING)
            try:
                hook = arms[value.__class__]
            except KeyError:
                hook = refusers[name]
            if hook is None:
                fields[name] = value
            elif hook is _leave_out:
                fields[name] = None
                absent.append(name)
            else:
                try:
                    fields[name] = hook(value, None)
                except _Refused as refused:
                    problems += refused.under(f".{name}")
        if problems:
            raise _Refused(*problems)
        whole = len(document) + len(absent) == len(rows)
        fields["extra"] = {} if whole else {key: value for key, value in document.items() if key not in known}
        fields["absent"] = frozenset(absent)
        part = _new(cls)
        _set_fields(part, fields)  # every field is there, and `__init__` would cost a quarter more
        return part

    return read


def _event_reader(cls: type[Event], converter: Converter) -> Read:
    """To keyword arguments of the event; a key that is not there leaves the event's default, if it has one."""
    rows = {name: _arms(annotation, converter) for name, annotation in _payload(cls).items()}
    needed = {a.name for a in attrs_fields(cls) if a.default is NOTHING and a.name in rows}

    def read(document: Any, _annotation: Any) -> dict[str, Any]:
        if document.__class__ is not dict:
            raise _Refused(_Problem("", f"expected object, found {_found(document)}"))
        values: dict[str, Any] = {}
        problems = [_Problem(f".{key}", f"not known of {cls.name}") for key in document if key not in rows]
        for name, arms in rows.items():
            if name in document or name in needed:
                value = document.get(name, _MISSING)
                try:
                    hook = arms[value.__class__] if value.__class__ in arms else _refuser(arms)
                    values[name] = value if hook is None else hook(value, None)
                except _Refused as refused:
                    problems += refused.under(f".{name}")
        if problems:
            raise _Refused(*problems)
        return values

    return read


def _event_writer(cls: type[Event], converter: Converter) -> Write:
    left_out = {a.name for a in attrs_fields(cls) if a.default is None}
    rows = [(name, _writing(annotation, converter)) for name, annotation in _payload(cls).items()]

    def write(event: Event) -> dict[str, JSON]:
        document: dict[str, JSON] = {}
        for name, hook in rows:
            value = getattr(event, name)
            if value is not None or name not in left_out:
                document[name] = value if hook is None or value is None else hook(value)
        return document

    return write


def _array_reader(annotation: Any, converter: Converter) -> Read:
    arms = _arms(get_args(annotation)[0], converter)
    refuse = _refuser(arms)

    def read(document: list[Any], _annotation: Any) -> tuple[Any, ...]:
        items: list[Any] = []
        problems: list[_Problem] = []
        for index, value in enumerate(document):
            hook = arms.get(value.__class__, refuse)
            try:
                items.append(value if hook is None else hook(value, None))
            except _Refused as refused:
                problems += refused.under(f"[{index}]")
        if problems:
            raise _Refused(*problems)
        return tuple(items)

    return read


def _word_reader(annotation: Any) -> Read:
    words: dict[str, str] = {word: word for word in get_args(annotation)}

    def read(value: str, _annotation: Any) -> str:
        try:
            return words[value]
        except KeyError:
            expected = f"expected one of {', '.join(words)}, found {_found(value)}"
            raise _Refused(_Problem("", expected, value, tuple(words))) from None

    return read


def _writing(annotation: Any, converter: Converter) -> Write | None:
    """How a field that is not None is written, or None for as it is."""
    for member in _members(annotation):
        if _is_part(member):
            write: Write = converter.get_unstructure_hook(member)
            return lambda value: write(value) if isinstance(value, Part) else value
        if _is_array(member):
            return _array_writer(_writing(get_args(member)[0], converter))
        if get_origin(member) is Mapping:
            return dict
    return None


def _array_writer(item: Write | None) -> Write:
    return list if item is None else lambda values: [item(value) for value in values]


def _part_writer(cls: type[Part], converter: Converter) -> Write:
    rows = [(name, _writing(a, converter)) for name, a in _declared(cls).items()]
    known = frozenset(row[0] for row in rows)

    def write(part: Part) -> dict[str, JSON]:
        values = part.__dict__
        absent = part.absent
        document: dict[str, JSON] = {}
        for name, hook in rows:
            value = values[name]
            if value is not None:
                document[name] = value if hook is None else hook(value)
            elif name not in absent:
                document[name] = None
        if part.extra:
            if clash := [key for key in part.extra if key in known]:
                raise DialectError(f"{cls.__name__}.extra holds declared keys: {', '.join(clash)}")
            document.update(part.extra)
        return document

    return write
