"""Keys of texts: the same wherever a text stands, and another for another text."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")

from runengine.validation.bulk.hashing import LONG_BYTES, hash_rows, hash_texts, valid  # noqa: E402

LONG = LONG_BYTES
TEXTS = st.lists(st.none() | st.text() | st.text("ab", min_size=20, max_size=70), max_size=12)


def _arrays(texts: list[str | None]) -> list[Any]:
    """The same texts in every array that can hold them."""
    plain = pa.array(texts, pa.string())
    held = [plain.cast(kind) for kind in (pa.large_string(), pa.binary(), pa.large_binary())]
    sliced = pa.array(["x", *texts, "y"], pa.string()).slice(1, len(texts))
    views = [plain.cast(kind) for kind in (pa.string_view(), pa.binary_view())]
    chunked = pa.chunked_array([plain.slice(0, 2), plain.slice(2)], pa.string())
    encoded = [array.dictionary_encode() for array in (plain, held[0], sliced)]
    return [plain, *held, sliced, *views, chunked, *encoded]


@given(TEXTS)
@example(["a" * 28] * 40)
@example(["é" * 200, None, "x" * 3000])
def test_one_key_however_it_is_held(texts: list[str | None]) -> None:
    """A text has one key, in whatever array it stands, at whatever place, beside whatever others."""
    keys = hash_texts(texts).tolist()
    assert all((key == 0) == (text is None) for key, text in zip(keys, texts, strict=True))
    assert keys == [int(hash_texts([text])[0]) for text in texts]
    for array in _arrays(texts):
        assert hash_texts(array).tolist() == keys, array.type
    assert len(set(keys)) == len(set(texts))


def test_in_every_version() -> None:
    """Keys are those of the first version: files of states hold them."""
    texts = ["", "a", "run_123", "run_1234", "x" * 9, "x" * LONG, "x" * (LONG + 1), "x" * 10_000]
    assert [f"{key:016x}" for key in hash_texts(texts).tolist()] == KNOWN
    assert [f"{key:016x}" for key in hash_rows(hash_texts(["a"]), hash_texts(["b"])).tolist()] == ["1ee202a97ce23a8e"]


KNOWN = [
    "4e17cf67001b3979",
    "fdc27956d23a1a9c",
    "57473e93b2fe8f83",
    "ee6ecc395fe6292a",
    "6d7aebcb9c97d379",
    "684392de000dc5fb",
    "901f75954f67fbc6",
    "d2c9a145ade99cb7",
]


@pytest.mark.parametrize("size", [1, 7, 8, 9, 16, 28, 31, 64, LONG, LONG + 1, 2 * LONG, 3000])
def test_avalanche(size: int) -> None:
    """A change of any one byte changes about half of the bits, whichever byte and whichever bit."""
    chance = random.Random(size)
    texts, others = [], []
    for place in sorted({*range(min(size, 24)), *(chance.randrange(size) for _ in range(24)), size - 1}):
        for bit in range(8):
            text = bytearray(chance.randbytes(size))
            texts.append(bytes(text))
            text[place] ^= 1 << bit
            others.append(bytes(text))
    keys, changed = hash_texts(pa.array(texts, pa.binary())), hash_texts(pa.array(others, pa.binary()))
    flipped = np.unpackbits((keys ^ changed).view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1)
    assert 31 < 64 * (flipped / 64).mean() < 33 if len(texts) > 150 else 27 < flipped.mean() < 37
    assert flipped.min() > 10


def test_lengths() -> None:
    """A text and the same one longer by zeros or by letters have other keys."""
    texts = [c * n for c in ("\0", "a") for n in range(1, 600)]
    assert len(set(hash_texts(texts).tolist())) == len(texts)


@pytest.mark.parametrize("form", ["run_{:024d}", "thread_{:x}", "{0:06d}-{0:06d}", "{:d}", "r{:d}00000000x"])
def test_no_collisions_of_counted_ids(form: str) -> None:
    """Ids that are counted up, the worst for a hash, have keys of their own, also in the high half."""
    keys = hash_texts([form.format(n) for n in range(100_000)])
    assert len(np.unique(keys)) == 100_000
    # Of 2**32 halves, 100,000 of them share one about once: ten would not come by chance.
    assert all(len(np.unique(half)) > 99_990 for half in (keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)))


@pytest.mark.slow
def test_no_collisions_of_simulated_ids() -> None:
    """Three million ids as a simulation draws them have keys of their own."""
    from runengine.simulation.vectors.draws import Draws
    from runengine.simulation.writing.arrow import ids

    keys = hash_texts(ids("run_", Draws(1), "run", np.arange(3_000_000, dtype=np.uint64)))
    assert len(np.unique(keys)) == 3_000_000


@given(st.lists(st.tuples(*[st.sampled_from([-1, 0, 1, 1 << 52, 3 << 52, 1 << 62])] * 3), unique=True, min_size=2))
def test_rows(rows: list[tuple[int, ...]]) -> None:
    """Rows of other numbers, or of the same in another order, have other keys."""
    keys = hash_rows(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))
    assert len(set(keys.tolist())) == len(rows)


def test_other_arrays() -> None:
    """What holds no texts is refused, but nulls are taken."""
    assert hash_texts(pa.nulls(2)).tolist() == [0, 0]
    assert hash_texts(pa.chunked_array([], pa.string())).tolist() == []
    with pytest.raises(TypeError, match="expected an array of texts, got int64"):
        hash_texts(pa.array([1]))


@given(st.lists(st.none() | st.integers(0, 9), max_size=40), st.integers(0, 20))
def test_valid(values: list[int | None], start: int) -> None:
    """Which values are null is told of any part of an array."""
    part = pa.array(values, pa.int64()).slice(start)
    found = valid(part)
    assert (found is None) == (part.null_count == 0)
    assert found is None or found.tolist() == [value is not None for value in values[start:]]
