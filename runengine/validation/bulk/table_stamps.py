"""Stamps of a table as whole seconds, and the times at which its rows were observed.

Source: FACTS §6.4; `readers.columns` (what stamps may be held as).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runengine.core import SECOND_US
from runengine.core.candidates import era_of
from runengine.validation.bulk.batch import NONE, Bools, Ints
from runengine.validation.bulk.coded import ARROW
from runengine.validation.bulk.hashing import valid
from runengine.validation.readers.columns import Column, values_of
from runengine.validation.rules.stamps import MILLISECONDS_FROM

__all__ = ["Stamp", "eras_of", "observed_of", "stamp_of"]

_EXACT: Final = 1 << 53
_UNITS: Final = {"s": 1, "ms": 1000, "us": SECOND_US, "ns": 1000 * SECOND_US}
_NULL: Final = type(None)


class Stamp(NamedTuple):
    """A column of stamps.

    Attributes:
        values: Whole seconds; NONE where it is null, or unfit.
        kinds: Of each row, an index into `types`; None where all are of the first.
        types: The types of the values, as the reader of rows makes them.
        unfit: Where it cannot be Unix seconds; None where there is none such.

    Example:
        >>> stamp_of(pa.array([7, None, -1]), Column("failed_at", "failed_at", "stamp")).values
        array([ 7, -1, -1])
    """

    values: Ints
    kinds: NDArray[np.int8] | None
    types: tuple[type, ...]
    unfit: Bools | None


def stamp_of(array: Any, column: Column) -> Stamp:
    """A column of stamps, as the reader of rows makes them.

    Args:
        array: The column, in one piece.
        column: What it is for.

    Example:
        >>> stamp_of(pa.array([1.0, 1.5]), Column("failed_at", "failed_at", "stamp")).types
        (<class 'int'>, <class 'float'>, <class 'NoneType'>)
    """
    array = _plain(array)
    n, kind = len(array), array.type
    known = valid(array)
    if array.null_count == n or column.form != "stamp":
        values = np.full(n, NONE, np.int64)
        if array.null_count == n:
            return Stamp(values, None, (_NULL,), None)
        kinds = None if known is None else (~known).view(np.int8)
        return Stamp(values, kinds, (str, _NULL), None)
    if pa.types.is_integer(kind):
        return _whole(_raw(array), known)
    if pa.types.is_timestamp(kind):
        whole, rest = np.divmod(_raw(array.cast(pa.int64())), _UNITS[kind.unit])
        return _parted(whole, rest != 0, known)
    numbers = _raw(array).astype(np.float64)
    there = ~np.isnan(numbers) if known is None else known & ~np.isnan(numbers)
    fits = there & (numbers > 0) & (numbers < MILLISECONDS_FROM)
    whole = np.where(fits, numbers, 0).astype(np.int64)
    broken = there & (np.isinf(numbers) | (np.trunc(numbers) != numbers))
    return _parted(whole, broken, there)


def observed_of(array: Any, column: Column) -> tuple[NDArray[np.float64], Bools | None]:
    """When rows were observed, Unix seconds or NaN, just as the reader of rows has it; and where that is not certain.

    Args:
        array: The column, in one piece.
        column: What it is for.

    Example:
        >>> observed_of(pa.array([1_500_000, None]), Column("observed_at_us", "observed_at", "microseconds"))
        (array([1.5, nan]), None)
    """
    array = _plain(array)
    n, kind, known = len(array), array.type, valid(array)
    if array.null_count == n:
        return np.full(n, np.nan), None
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        numbers = _raw(array if pa.types.is_integer(kind) else array.cast(pa.int64()))
        per_s = _UNITS[kind.unit] if pa.types.is_timestamp(kind) else SECOND_US if column.form == "microseconds" else 1
        if known is not None:
            numbers = np.where(known, numbers, 0)
        while per_s > SECOND_US and not (numbers % 1000).any():
            numbers, per_s = numbers // 1000, per_s // 1000
        if n and (int(numbers.max()) >= _EXACT or int(numbers.min()) <= -_EXACT):
            return _one_by_one(array, column)
        seen_s = numbers / per_s
        if known is not None:
            seen_s[~known] = np.nan
        return seen_s, None
    if not pa.types.is_float64(kind):
        return _one_by_one(array, column)
    seen_s = _raw(array) / (SECOND_US if column.form == "microseconds" else 1)
    if known is not None:
        seen_s[~known] = np.nan
    unknown = np.isinf(seen_s)
    return seen_s, unknown if unknown.any() else None


def eras_of(created: Stamp) -> tuple[Ints | None, list[int]]:
    """A number for the era of each row, and the eras; `era_of` grows with the stamp.

    Args:
        created: The stamps of creation.

    Example:
        >>> eras_of(stamp_of(pa.array([1_700_000_000]), Column("created_at", "created_at", "stamp")))[0] is None
        True
    """
    values = created.values
    if not len(values):
        return None, [-1]
    first, last = era_of(max(int(values.min()), 0)), era_of(max(int(values.max()), 0))
    if first == last:
        return None, [first]
    bounds = [_begin_of(era, int(values.min()), int(values.max())) for era in range(first + 1, last + 1)]
    return np.searchsorted(np.array(bounds), values, side="right"), [*range(first, last + 1)]


def _begin_of(era: int, low: int, high: int) -> int:
    """The first second of an era, by halving."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if era_of(middle) >= era else (middle + 1, high)
    return low


def _one_by_one(array: Any, column: Column) -> tuple[NDArray[np.float64], Bools | None]:
    said = values_of(ARROW, array, column)
    unknown = np.array([value is not None and not -_EXACT * SECOND_US < value < _EXACT * SECOND_US for value in said])
    seen_s = np.array([np.nan if v is None or odd else float(v) for v, odd in zip(said, unknown, strict=True)])
    return seen_s, unknown if unknown.any() else None


def _plain(array: Any) -> Any:
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _raw(array: Any) -> NDArray[Any]:
    """The numbers as they are held; where there is null, anything."""
    width = array.type.bit_width // 8
    return np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype(), len(array), array.offset * width)


def _whole(numbers: NDArray[Any], known: Bools | None) -> Stamp:
    if numbers.dtype == np.uint64:
        large = numbers >= np.uint64(MILLISECONDS_FROM)
        numbers = np.where(large, MILLISECONDS_FROM, numbers).astype(np.int64)
    values: Ints = numbers.astype(np.int64, copy=False)
    if known is not None:
        values = values | (known.astype(np.int64) - 1)  # NONE is all ones; to choose one by one takes thrice as long
    nulls = 0 if known is None else len(known) - int(np.count_nonzero(known))
    unfit = None
    if len(values) and (int(values.max()) >= MILLISECONDS_FROM or int(np.count_nonzero(values <= 0)) != nulls):
        unfit = (values >= MILLISECONDS_FROM) | (values <= 0)
        if known is not None:
            unfit &= known
        values = np.where(unfit, NONE, values)
    if known is None:
        return Stamp(values, None, (int,), unfit)
    return Stamp(values, (~known).view(np.int8), (int, _NULL), unfit)


def _parted(whole: Ints, broken: Bools, known: Bools | None) -> Stamp:
    """Seconds of which some have a rest."""
    made = _whole(whole, known)
    kinds = broken.astype(np.int8)
    if known is not None:
        kinds[~known] = 2
    return made._replace(kinds=kinds, types=(int, float, _NULL))
