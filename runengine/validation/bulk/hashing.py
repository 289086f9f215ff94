"""Hashes of texts and of rows: 64 bits, the same in every process, on every machine, in every version.

A text is read as words of eight bytes, lowest byte first, the last one ending where the text ends; each word is
exclusive-ored into the state, which is then folded, multiplied and folded (two such rounds are a known mixer of 64 bits
without a bias that could be measured). So one changed byte of a text of up to eight bytes always gives another hash;
of longer ones, two are alike once in 2^64 pairs. It is no hash against those who look for collisions. A text longer
than `LONG_BYTES` is hashed in pieces, and then their hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runengine.validation.bulk.batch import Bools, Ints, Keys

__all__ = ["LONG_BYTES", "hash_rows", "hash_texts", "valid"]

LONG_BYTES: Final = 256
"""Longer texts are hashed in pieces of so many bytes."""

_WORD: Final = np.dtype("<u8")
_BYTES: Final = 8
_HALF: Final = np.uint64(32)
_FOLD: Final = np.uint64(0xD6E8FEB86659FD93)
_TEXT: Final = 0x9E3779B97F4A7C15
_PIECES: Final = 0xC2B2AE3D27D4EB4F
_ROW: Final = 0xFF51AFD7ED558CCD
_ALL_BITS: Final = (1 << 64) - 1
_BLOCK_ROWS: Final = 1 << 14
"""So many states stay in the processor's cache."""

Bytes = NDArray[np.uint8]


def hash_texts(array: Any) -> Keys:
    """A key of each text: never 0; 0 for null. Texts with the same bytes have the same key, whatever holds them.

    Args:
        array: Strings or bytes as an array of pyarrow, chunked or not, as dictionaries or not; or a list of str, bytes
            and None.

    Raises:
        TypeError: the array holds something else.

    Example:
        >>> [hex(key) for key in hash_texts(["run_1", "", None]).tolist()]
        ['0x5fd3fa98903f3874', '0x4e17cf67001b3979', '0x0']
        >>> bool((hash_texts(pa.array(["a", "b", "a"]).dictionary_encode()) == hash_texts(["a", "b", "a"])).all())
        True
    """
    if isinstance(array, pa.ChunkedArray):
        return np.concatenate([hash_texts(chunk) for chunk in array.chunks] or [np.zeros(0, np.uint64)])
    if not isinstance(array, pa.Array):
        return _of_list(array)
    kind = array.type
    if pa.types.is_dictionary(kind):
        keys, places, known = hash_texts(array.dictionary), array.indices, valid(array.indices)
        if not len(keys):
            return np.zeros(len(array), np.uint64)
        taken: Keys = keys[(places if known is None else places.fill_null(0)).to_numpy(zero_copy_only=False)]
        if known is not None:
            taken[~known] = 0
        return taken
    if pa.types.is_null(kind):
        return np.zeros(len(array), np.uint64)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return _of_array(array, np.dtype(np.int32))
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        return _of_array(array, np.dtype(np.int64))
    if kind in (pa.string_view(), pa.binary_view()):
        return _of_list(array.to_pylist())
    raise TypeError(f"expected an array of texts, got {kind}")


def hash_rows(*columns: NDArray[Any]) -> Keys:
    """A key of each row of some columns; their order matters.

    Args:
        columns: Arrays of 64-bit integers, of one length; one at least.

    Example:
        >>> one, other = np.array([1, 2], np.uint64), np.array([2, 1], np.uint64)
        >>> hash_rows(one, other).tolist() == hash_rows(other, one)[::-1].tolist()
        True
        >>> hash_rows(one, other).tolist() == hash_rows(other, one).tolist()
        False
    """
    words = [column.view(np.uint64) for column in columns]
    return _folded(words, len(words[0]), (len(words) * _ROW) & _ALL_BITS)


def valid(array: Any) -> Bools | None:
    """Which values of an array of pyarrow are not null; None where all are.

    Example:
        >>> valid(pa.array([1, None])), valid(pa.array([1]))
        (array([ True, False]), None)
    """
    if not array.null_count:
        return None
    bitmap, n = array.buffers()[0], len(array)
    if bitmap is None:  # an array of nulls
        return np.zeros(n, np.bool_)
    first = array.offset // 8
    held = np.frombuffer(bitmap, np.uint8)[first : (array.offset + n + 7) // 8]
    return np.unpackbits(held, bitorder="little")[array.offset - 8 * first :][:n].view(np.bool_)


def _of_list(texts: Sequence[str | bytes | None]) -> Keys:
    plain = _plain(texts)
    if plain is None:
        held = [text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text or b"" for text in texts]
        joined, lengths = b"".join(held), np.fromiter(map(len, held), np.int64, len(held))
    else:
        joined, lengths = plain
    data, n = np.frombuffer(joined, np.uint8), len(lengths)
    if n and _BYTES <= (length := int(lengths[0])) <= LONG_BYTES and bool((lengths == length).all()):
        return _of_one_length(data, 0, length, n)
    keys = _of_spans(data, np.cumsum(lengths) - lengths, lengths)
    if plain is None:
        keys[[text is None for text in texts]] = 0
    return keys


def _plain(texts: Sequence[Any]) -> tuple[bytes, Ints] | None:
    """The bytes of texts that are all ASCII, one after another, and how many each has; None of others."""
    try:
        joined = "".join(texts)
    except TypeError:
        return None
    return (joined.encode("ascii"), np.fromiter(map(len, texts), np.int64, len(texts))) if joined.isascii() else None


def _of_array(array: Any, width: np.dtype[Any]) -> Keys:
    n, (_, offsets, held) = len(array), array.buffers()
    if not n:
        return np.zeros(0, np.uint64)
    ends = np.frombuffer(offsets, width)[array.offset : array.offset + n + 1]
    data = np.frombuffer(held, np.uint8) if held is not None else np.zeros(0, np.uint8)
    lengths = np.diff(ends)
    known = valid(array)
    length = int(lengths[0])
    if known is None and _BYTES <= length <= LONG_BYTES and bool((lengths == length).all()):
        return _of_one_length(data, int(ends[0]), length, n)
    keys = _of_spans(data, ends[:-1], lengths)
    if known is not None:
        keys[~known] = 0
    return keys


def _of_one_length(data: Bytes, start: int, length: int, n: int) -> Keys:
    """Keys of texts of one length, of 8 bytes at least, that stand one after another."""
    words = [
        np.ndarray((n,), _WORD, data, start + place, (length,))
        for place in (*range(0, length - _BYTES, _BYTES), length - _BYTES)
    ]
    return _never_0(_folded(words, n, _seed(length)))


def _of_spans(data: Bytes, starts: NDArray[Any], lengths: NDArray[Any]) -> Keys:
    """Keys of texts anywhere in some bytes."""
    keys = np.empty(len(starts), np.uint64)
    for start in range(0, len(starts), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        keys[block] = _of_block(data, starts[block].astype(np.int64), lengths[block].astype(np.int64))
    return keys


def _of_block(data: Bytes, starts: Ints, lengths: Ints) -> Keys:
    """The same of some of them, by the number of their words."""
    keys = np.empty(len(starts), np.uint64)
    counts = np.minimum(-(-lengths // _BYTES), LONG_BYTES // _BYTES + 1)
    counts[lengths < _BYTES] = 0
    anywhere = np.ndarray((max(len(data) - _BYTES + 1, 0),), _WORD, data, 0, (1,)) if len(data) >= _BYTES else None
    for count in np.flatnonzero(np.bincount(counts)).tolist():
        rows = np.flatnonzero(counts == count)
        begins, sizes = starts[rows], lengths[rows]
        if count == 0:
            words: Iterable[Any] = (_short(data, begins, sizes),)
        elif count > LONG_BYTES // _BYTES:
            words = (_of_pieces(data, begins, sizes),)
        else:
            assert anywhere is not None
            places = [begins + place for place in range(0, (count - 1) * _BYTES, _BYTES)]
            words = (anywhere[place] for place in (*places, begins + sizes - _BYTES))
        keys[rows] = _never_0(_folded([*words], len(rows), _seeds(sizes)))
    return keys


def _short(data: Bytes, starts: Ints, lengths: Ints) -> Keys:
    """Texts of less than 8 bytes as words."""
    held = np.zeros((len(starts), _BYTES), np.uint8)
    for place in range(_BYTES - 1):
        rows = np.flatnonzero(lengths > place)
        held[rows, place] = data[starts[rows] + place]
    return held.view(_WORD)[:, 0]


def _of_pieces(data: Bytes, starts: Ints, lengths: Ints) -> Keys:
    """A word for each long text: the hash of the hashes of its pieces, which are as bytes a text of their own."""
    counts = -(-lengths // LONG_BYTES)
    before = np.cumsum(counts) - counts
    within = (np.arange(int(counts.sum())) - np.repeat(before, counts)) * LONG_BYTES
    sizes = np.minimum(np.repeat(lengths, counts) - within, LONG_BYTES)
    hashed = _of_spans(data, np.repeat(starts, counts) + within, sizes).astype(_WORD)
    return _of_spans(hashed.view(np.uint8), before * _BYTES, counts * _BYTES) ^ np.uint64(_PIECES)


def _seed(length: int) -> int:
    return ((length + 1) * _TEXT) & _ALL_BITS


def _seeds(lengths: Ints) -> Keys:
    seeds: Keys = (lengths + 1).astype(np.uint64) * np.uint64(_TEXT)
    return seeds


def _never_0(keys: Keys) -> Keys:
    keys[keys == 0] = 1
    return keys


def _folded(words: Sequence[NDArray[Any]], n: int, seed: int | Keys) -> Keys:
    """The words of each row, one after another, mixed into its state."""
    keys = np.empty(n, np.uint64)
    spare = np.empty(min(n, _BLOCK_ROWS), np.uint64)
    for start in range(0, n, _BLOCK_ROWS):
        state = keys[start : start + _BLOCK_ROWS]
        half = spare[: len(state)]
        state[:] = seed if isinstance(seed, int) else seed[start : start + len(state)]
        for word in words:
            np.bitwise_xor(state, word[start : start + len(state)], out=state)
            np.bitwise_xor(state, np.right_shift(state, _HALF, out=half), out=state)
            np.multiply(state, _FOLD, out=state)
            np.bitwise_xor(state, np.right_shift(state, _HALF, out=half), out=state)
        np.multiply(state, _FOLD, out=state)
        np.bitwise_xor(state, np.right_shift(state, _HALF, out=half), out=state)
    return keys
