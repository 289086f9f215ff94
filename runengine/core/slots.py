"""What the record classes say of JSON: for each class its keys, the types they take, and what is inside.

Derived from the annotations, once for each class.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from attrs import fields, frozen

from runengine.core.parts import Part

__all__ = ["Slot", "slots_of"]


@frozen(kw_only=True)
class Slot:
    """One key of an object on the wire.

    Attributes:
        name: The key.
        types: The JSON types it takes, null apart.
        nullable: It may be null, or missing.
        part: The class of the object it holds (of each element of an array), or None.

    Example:
        >>> from runengine.core.parts import ToolChoice
        >>> [(slot.name, slot.nullable) for slot in slots_of(ToolChoice)]
        [('type', False), ('function', True)]
    """

    name: str
    types: tuple[type, ...]
    nullable: bool
    part: type[Part] | None


_SLOTS: Final[dict[type[Part], tuple[Slot, ...]]] = {}
_PLAIN: Final[dict[Any, tuple[type, ...]]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
    Literal: (str,),
}


def slots_of(part: type[Part]) -> tuple[Slot, ...]:
    """The keys of a record class, in the order they are written.

    Example:
        >>> from runengine.core.parts import Usage
        >>> [slot.name for slot in slots_of(Usage)]
        ['completion_tokens', 'prompt_tokens', 'total_tokens']
    """
    if part not in _SLOTS:
        hints = get_type_hints(part)
        names = (a.name for a in fields(part) if a.name not in ("extra", "absent"))
        _SLOTS[part] = tuple(_slot(name, hints[name]) for name in names)
    return _SLOTS[part]


def _slot(name: str, hint: Any) -> Slot:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    types: list[type] = []
    inside: list[Any] = []
    for option in options:
        origin = get_origin(option) or option
        if origin is tuple:
            inside.append(get_args(option)[0])
            types.append(list)
        elif origin in _PLAIN:
            types += _PLAIN[origin]
        elif origin is not NoneType:
            inside.append(option)
            types.append(dict)
    part = next((i for i in inside if isinstance(i, type) and issubclass(i, Part)), None)
    return Slot(name=name, types=tuple(types), nullable=NoneType in options, part=part)
