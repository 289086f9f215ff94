"""Columns of a table as numbers into their distinct values, and numbers of several columns folded into one.

What is to be said of a value is asked once for each distinct one, and what is to be said of several, once for each
combination that is there. Values are those that the reader of rows makes (`readers.columns.values_of`).
Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from runengine.validation.bulk.batch import Ints, Keys
from runengine.validation.bulk.hashing import hash_texts, valid
from runengine.validation.readers.columns import Arrow, Column, values_of

__all__ = ["ARROW", "Codes", "Coded", "Fold", "coded", "keys_of"]

ARROW: Final = Arrow(pa=pa, pq=pq)
"""The library, as the readers take it."""

Codes = NDArray[np.int32]

_SPACE_MAX: Final = 1 << 16
_HIGH_BITS: Final = np.uint64(0x8080808080808080)
_VALUES_AT_ONCE: Final = 4096


class Coded:
    """A column: for each row a number into its distinct values.

    Attributes:
        codes: The number of each row; None where there is one value only.
        digests: A digest of each value; values with one digest are the same JSON.

    Example:
        >>> column = coded(pa.array(["a", None, "a"]), Column("model", "model", "text"))
        >>> column.codes.tolist(), column.values([0, 1])
        ([0, 1, 0], ['a', None])
    """

    def __init__(self, array: Any, codes: Codes | None, has_null: bool, column: Column) -> None:
        self.codes = codes
        self._array, self._column, self._has_null = array, column, has_null
        self._listed: list[Any] | None = None
        if ARROW.is_text(array.type):
            digests = hash_texts(array)
        else:
            self._listed = values_of(ARROW, array, column)
            digests = hash_texts([f"{type(value).__name__} {value!r}" for value in self._listed])
        self.digests: Keys = np.append(digests, np.zeros(1, np.uint64)) if has_null else digests

    def __len__(self) -> int:
        """How many values, null among them."""
        return len(self.digests)

    @property
    def null(self) -> int:
        """The number of null, or -1 where there is none."""
        return len(self.digests) - 1 if self._has_null else -1

    def values(self, numbers: Sequence[int]) -> list[Any]:
        """Some values, as the reader makes them."""
        last = self.null
        if self._listed is not None:
            return [None if n == last else self._listed[n] for n in numbers]
        kept = [n for n in numbers if n != last]
        made: dict[int, Any] = {}
        for start in range(0, len(kept), _VALUES_AT_ONCE):
            some = kept[start : start + _VALUES_AT_ONCE]
            made |= zip(some, values_of(ARROW, self._array.take(pa.array(some, pa.int64())), self._column), strict=True)
        return [made.get(n) for n in numbers]


def coded(array: Any, column: Column) -> Coded:
    """A column as numbers into its distinct values.

    Args:
        array: The column, in one piece.
        column: What it is for.

    Example:
        >>> coded(pa.array([1.0, None, float("nan")]), Column("top_p", "top_p", "number")).values([0, 1, 2])
        [1.0, None, None]
    """
    array = _plain(array)
    if array.null_count == len(array):
        return Coded(pa.array([], pa.string()), None, True, column)
    if column.form == "nested":
        # As texts, of which equal ones are equal values.
        texts = [None if v is None else repr(v) for v in values_of(ARROW, array, column)]
        firsts = {text: place for place, text in reversed([*enumerate(texts)])}
        firsts.pop(None, None)
        numbers = {text: number for number, text in enumerate(firsts)}
        codes = np.array([numbers.get(text, len(numbers)) for text in texts], np.int32)
        return Coded(array.take(pa.array([*firsts.values()], pa.int64())), codes, None in texts, column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    codes, values, known = _numbers(array.indices), array.dictionary, valid(array.indices)
    if values.null_count:  # a null among the distinct values
        values, codes, known = _without_null(values, codes, known)
    codes, values = _used(codes, values, known)
    if known is not None:
        codes = np.where(known, codes, np.int32(len(values)))
    single = len(values) == 1 and known is None
    return Coded(values, None if single else codes, known is not None, column)


def keys_of(array: Any) -> Keys:
    """Keys of a column of ids: of the texts that the reader makes of bytes that are none.

    Args:
        array: The column, in one piece.

    Example:
        >>> keys = keys_of(pa.array([b"a", None, b"a"]))
        >>> bool(keys[0] == keys[2]), int(keys[1])
        (True, 0)
    """
    array = _plain(array)
    if not pa.types.is_dictionary(array.type):
        return _text_keys(array)
    codes, values, known = _numbers(array.indices), array.dictionary, valid(array.indices)
    codes, values = _used(codes, values, known)
    if not len(values):
        return np.zeros(len(array), np.uint64)
    keys = _text_keys(values)[codes]
    if known is not None:
        keys[~known] = 0
    return keys


def _numbers(indices: Any) -> Codes:
    if indices.null_count:
        indices = indices.fill_null(0)
    codes: Codes = indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return codes


def _used(codes: Codes, values: Any, known: Any) -> tuple[Codes, Any]:
    """The same with the values that are used: a piece of a long row group uses few of them."""
    n = len(values)
    if len(codes) and int(codes.view(np.uint32).max()) >= max(n, 1):
        raise IndexError("a number in a column of dictionaries is none of a value")
    if n <= len(codes):
        return codes, values
    used = np.zeros(n, np.bool_)
    used[codes if known is None else codes[known]] = True
    kept = np.flatnonzero(used)
    place = np.zeros(n, np.int32)
    place[kept] = np.arange(len(kept))
    return place[codes], values.take(pa.array(kept))


def _without_null(values: Any, codes: Codes, known: Any) -> tuple[Codes, Any, Any]:
    there = valid(values)
    assert there is not None
    place = np.cumsum(there, dtype=np.int32) - 1
    still = there[codes] if known is None else there[codes] & known
    return values.filter(pa.array(there)), np.maximum(place, 0)[codes], still


def _plain(array: Any) -> Any:
    """The column without what was added to its type, in one piece; of dictionaries only those of texts are kept."""
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            raise MemoryError("a column is too large to be taken at once")
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    kind = array.type
    if pa.types.is_dictionary(kind) and not ARROW.is_text(kind.value_type):
        return array.dictionary_decode()
    return array.cast(pa.large_string()) if kind == pa.string_view() else array


def _text_keys(array: Any) -> Keys:
    if pa.types.is_null(array.type):
        return np.zeros(len(array), np.uint64)
    if not _is_ascii(array):
        try:
            pc.cast(array, pa.large_string() if array.type in (pa.large_binary(), pa.large_string()) else pa.string())
            array.validate(full=True)
        except pa.ArrowInvalid:
            return hash_texts(values_of(ARROW, array, Column("id", "id", "text")))
    return hash_texts(array)


def _is_ascii(array: Any) -> bool:
    held = array.buffers()[2]
    if held is None:
        return True
    data = np.frombuffer(held, np.uint8)
    whole = len(data) // 8 * 8
    words = np.bitwise_or.reduce(data[:whole].view(np.uint64)) if whole else np.uint64(0)
    return not words & _HIGH_BITS and not (data[whole:] & 0x80).any()


class Fold:
    """Numbers of several columns folded into one: a number for each combination that is there.

    Args:
        n: How many rows.

    Example:
        >>> fold = Fold(2)
        >>> fold.add(np.array([0, 1]), 2); fold.add(None, 1); fold.add(np.array([2, 0]), 3)
        >>> fold.combinations()
        [(0, 0, 2), (1, 0, 0)]
        >>> fold.spread([7.0, 8.0], np.float64).tolist()
        [7.0, 8.0]
    """

    def __init__(self, n: int) -> None:
        self._codes: Codes | None = None
        self._n = n
        self._sizes: list[int] = []
        self._space = 1
        self._known: list[tuple[int, ...]] = [()]
        self._present: Ints | None = None

    def add(self, codes: NDArray[Any] | None, size: int) -> None:
        """Fold in another column.

        Args:
            codes: The number of each row; None where all are 0.
            size: Every number is less.
        """
        if codes is None or size == 1:
            self._sizes.append(1)
            return
        if self._space * size > _SPACE_MAX:
            self._pack()
        if self._codes is None:
            self._codes = codes.astype(np.int32)
        else:
            np.multiply(self._codes, size, out=self._codes)
            np.add(self._codes, codes, out=self._codes)
        self._sizes.append(size)
        self._space *= size

    def combinations(self) -> list[tuple[int, ...]]:
        """The combinations that are there; after this nothing can be added."""
        if self._codes is None:
            return [(*known, *(0 for _ in self._sizes)) for known in self._known]
        if self._space > _SPACE_MAX:
            self._pack()
        present = np.zeros(self._space, np.bool_)
        present[self._codes] = True
        self._present = np.flatnonzero(present)
        return [self._digits(number) for number in self._present.tolist()]

    def spread(self, values: Sequence[Any], kind: Any) -> NDArray[Any]:
        """Something of each combination, for each row.

        Args:
            values: What is known of each combination, in their order.
            kind: The type of it.
        """
        if self._codes is None:
            return np.full(self._n, values[0], kind)
        table = np.zeros(self._space, kind)
        table[self._present] = values
        return table.take(self._codes.astype(np.int64))

    def _pack(self) -> None:
        """Count only the combinations that are there."""
        if self._codes is not None:
            present, codes = np.unique(self._codes, return_inverse=True)
            self._known, self._codes = [self._digits(number) for number in present.tolist()], codes.astype(np.int32)
        else:
            self._known = [(*known, *(0 for _ in self._sizes)) for known in self._known]
        self._sizes, self._space = [], len(self._known)

    def _digits(self, number: int) -> tuple[int, ...]:
        digits: list[int] = []
        for size in reversed(self._sizes):
            number, digit = divmod(number, size)
            digits.append(digit)
        return (*self._known[number], *reversed(digits))
