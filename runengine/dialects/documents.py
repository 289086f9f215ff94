"""One document from a dialect to the native form and back, and what is lost on the way.

Works on plain JSON, not on records, so that a document with something wrong in it can be converted and checked too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import Factory, field, frozen

from runengine.core.fields import FIELDS, Field
from runengine.core.generations import GENERATIONS
from runengine.core.parts import JSON, Part
from runengine.core.records import RunObject
from runengine.core.slots import slots_of
from runengine.dialects.limits import Loss, limits_of
from runengine.dialects.native import read_run, write_run
from runengine.dialects.shapes import SHAPES, Shape
from runengine.dialects.spellings import NESTED_FIRST, SPELLINGS

__all__ = ["DIALECTS", "JsonDialect", "Written", "dialect_named"]


@frozen
class Written:
    """A document in a dialect, and what it does not say any more.

    Attributes:
        document: Plain JSON.
        losses: In the order of the document.

    Example:
        >>> DIALECTS["native"].from_native({"id": "run_1"})
        Written(document={'id': 'run_1'}, losses=())
    """

    document: dict[str, JSON]
    losses: tuple[Loss, ...] = ()


Renames = Mapping[type[Part], Mapping[str, str]]


def _renames(column: str | None, back: bool) -> Renames:
    """For each class that spells a key differently: key to key."""
    found: dict[type[Part], dict[str, str]] = {}
    names = {row.path.rsplit(".", 1)[-1]: row.names[column] for row in SPELLINGS.values()} if column else {}
    todo: list[type[Part]] = [RunObject]
    while todo:
        part = todo.pop()
        if part in found:
            continue
        spelled = {slot.name: names.get(slot.name, slot.name) for slot in slots_of(part)}
        found[part] = {new: old for old, new in spelled.items()} if back else spelled
        todo += [slot.part for slot in slots_of(part) if slot.part is not None]
    return found


@frozen
class JsonDialect:
    """A dialect that is JSON.

    Attributes:
        shape: Its row of the shape table.

    Example:
        >>> dialect = DIALECTS["typescript-instance"]
        >>> made = dialect.from_native({"created_at": 7, "tools": [{"type": "function", "function": {"name": "f"}}]})
        >>> made.document["createdAt"], made.document["tools"]
        (7, [{'type': 'function', '_function': {'name': 'f'}}])
        >>> dialect.to_native({"createdAt": 7})
        {'created_at': 7}
    """

    shape: Shape
    _out: Renames = field(
        init=False, repr=False, default=Factory(lambda self: self._renames(back=False), takes_self=True)
    )
    _in: Renames = field(
        init=False, repr=False, default=Factory(lambda self: self._renames(back=True), takes_self=True)
    )

    def _renames(self, *, back: bool) -> Renames:
        return _renames(self.shape.spelling, back)

    def to_native(self, document: dict[str, JSON]) -> dict[str, JSON]:
        """The document with the API's own keys; everything it has is kept.

        Args:
            document: Plain JSON in this dialect, right or wrong.
        """
        return document if self.shape.spelling is None else _renamed(document, RunObject, self._in)

    def respelled(self, document: dict[str, JSON]) -> dict[str, JSON]:
        """The document with this dialect's keys; everything it has is kept, as `to_native` does the other way.

        Args:
            document: Plain JSON with the API's own keys, right or wrong.
        """
        return document if self.shape.spelling is None else _renamed(document, RunObject, self._out)

    def from_native(self, document: dict[str, JSON], generation: int | None = None) -> Written:
        """The document in this dialect.

        Args:
            document: Plain JSON with the API's own keys, right or wrong.
            generation: Which generation the reader's document is of; the dialect's own when None. The native dialect
                with None carries all of them.
        """
        shape = self.shape
        if shape.name == "native" and generation is None:
            return Written(document)
        target = shape.home if generation is None else generation
        losses: list[Loss] = [*limits_of(document, shape, target)]
        made: dict[str, JSON] = {}
        for name, declared in FIELDS.items():
            value = document.get(name)
            if not declared.declared_in(target):
                if value is not None:
                    losses.append(Loss((name,), f"{GENERATIONS[target].name} has no such field"))
            elif value is not None:
                made[name] = value
            elif _writes_null(shape, declared, name in document, target):
                made[name] = None
        for name in document:
            if name not in FIELDS and shape.keeps_unknown:
                made[name] = document[name]
            elif name not in FIELDS:
                losses.append(Loss((name,), "the client drops keys it does not know"))
        if not shape.keeps_unknown:
            made = _stripped(made, RunObject, (), losses, target)
        return Written(_renamed(made, RunObject, self._out), tuple(losses))

    def read(self, document: dict[str, JSON]) -> RunObject:
        """A run of a document in this dialect.

        Raises:
            PayloadError: keys are missing or values of the wrong type; paths are native.
            UnknownSpelling: the only problem is the status.
        """
        return read_run(self.to_native(document))

    def write(self, run: RunObject, generation: int | None = None) -> Written:
        """A run as a document in this dialect."""
        return self.from_native(write_run(run), generation)


def _writes_null(shape: Shape, declared: Field, there: bool, target: int) -> bool:
    if shape.name == "native":
        return there
    how = shape.optional_nulls if declared.optional else shape.nulls
    return how == "written" and (there or declared.nullable_in(target))


def _renamed(document: dict[str, JSON], part: type[Part], renames: Renames) -> dict[str, JSON]:
    """The document with its keys respelled; a key whose new spelling is taken stays as it is, so that none is lost."""
    spelled = renames[part]
    inside = {slot.name: slot.part for slot in slots_of(part)}
    made: dict[str, JSON] = {}
    for key, value in document.items():
        renamed = spelled.get(key, key)
        if renamed != key and renamed in document:
            renamed = key
        within = inside.get(renamed) or inside.get(key)
        if within is not None and type(value) is dict:
            value = _renamed(value, within, renames)
        elif within is not None and type(value) is list:
            value = [_renamed(v, within, renames) if type(v) is dict else v for v in value]
        made[renamed] = value
    return made


def _stripped(
    document: dict[str, JSON], part: type[Part], way: tuple[str | int, ...], losses: list[Loss], target: int
) -> dict[str, JSON]:
    """Without the keys that a generated class does not have, each of which is told."""
    slots = {slot.name: slot for slot in slots_of(part)}
    made: dict[str, JSON] = {}
    for key, value in document.items():
        slot = slots.get(key)
        here = (*way, key)
        if slot is None:
            losses.append(Loss(here, "the client drops keys it does not know"))
            continue
        if value is None and way and slot.nullable:
            continue  # generated classes leave nested nulls out, or refuse them
        if NESTED_FIRST.get((part, key), 0) > target:
            losses.append(Loss(here, f"{GENERATIONS[target].name} has no such key"))
            continue
        if slot.part is not None and type(value) is dict:
            value = _stripped(value, slot.part, here, losses, target)
        elif slot.part is not None and type(value) is list:
            inner = slot.part
            value = [
                _stripped(v, inner, (*here, i), losses, target) if type(v) is dict else v for i, v in enumerate(value)
            ]
        made[key] = value
    return made


DIALECTS: Final[dict[str, JsonDialect]] = {name: JsonDialect(shape) for name, shape in SHAPES.items()}
"""The dialects that are JSON, by name."""


def dialect_named(name: str) -> JsonDialect:
    """The dialect called `name`.

    Raises:
        ValueError: there is none; the message lists what there is.

    Example:
        >>> dialect_named("ruby").shape.home
        6
    """
    try:
        return DIALECTS[name]
    except KeyError:
        raise ValueError(f"no dialect {name!r}: there are {', '.join(DIALECTS)}") from None
