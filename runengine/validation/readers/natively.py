"""Observations of any JSON dialect as observations of native records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from runengine.dialects.detection import detect
from runengine.dialects.documents import DIALECTS
from runengine.validation.observations import Item, Observation

__all__ = ["AUTO", "native", "natively"]

AUTO: Final = "auto"
"""Each record is read in the dialect it is detected to be of."""

_SPELLED: Final = tuple(name for name, dialect in DIALECTS.items() if dialect.shape.spelling is not None)


def natively(items: Iterable[Item], dialect: str = AUTO) -> Iterator[Item]:
    """The same items, each record with the API's own keys.

    Args:
        items: From a reader.
        dialect: A dialect that is JSON, or `auto`.

    Example:
        >>> [i.record for i in natively([Observation({"createdAt": 7}, 1)])]
        [{'created_at': 7}]
    """
    return (native(item, dialect) if isinstance(item, Observation) else item for item in items)


def native(item: Observation, dialect: str = AUTO) -> Observation:
    """The same observation, its record with the API's own keys.

    Example:
        >>> native(Observation({"createdAt": 7}, 1), "native").record
        {'createdAt': 7}
    """
    if dialect == AUTO:
        # Only a spelling of its own changes what is read, and a record in one has no created_at.
        if "created_at" in item.record:
            return item
        dialect = detect(item.record).dialect
    if dialect not in _SPELLED:
        return item
    return item._replace(record=DIALECTS[dialect].to_native(item.record))
