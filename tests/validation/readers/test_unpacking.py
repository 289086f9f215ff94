"""Packed files and packed bodies: read to where they break, and never beyond a bound."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable
from random import Random

import brotli  # type: ignore[import-untyped,unused-ignore]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from runengine.errors import MissingExtra
from runengine.validation.observations import Item, Observation, Unreadable
from runengine.validation.readers import read_items, unpacking
from runengine.validation.readers.unpacking import Unpacking, packing_of, plain_name, unpacked
from tests.validation.checking import as_lines, clean

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}

MB = 1024 * 1024
LINES = as_lines(clean("queued", id=f"run_{n}") for n in range(40))


def items(data: bytes, name: str = "trace.jsonl.gz") -> list[Item]:
    """What is read of a file's bytes."""
    return list(read_items(name, io.BytesIO(data)))


def problems(found: list[Item]) -> list[Unreadable]:
    """What could not be read."""
    return [item for item in found if isinstance(item, Unreadable)]


def both(data: bytes) -> tuple[bytes, bool]:
    """All that can be unpacked, and whether it was cut or damaged."""
    packing = packing_of(data)
    assert packing is not None
    layer = Unpacking(io.BytesIO(data), packing)
    return layer.read(), layer.problem is not None


class TestFiles:
    """Whole files."""

    @pytest.mark.parametrize("packed", PACKED)
    @given(data=st.data())
    def test_members_and_pieces(self, packed: str, data: st.DataObject) -> None:
        """Any number of packed pieces one after another reads as what they hold."""
        pieces = data.draw(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
        assert both(b"".join(map(PACKED[packed], pieces))) == (b"".join(pieces), False)

    @pytest.mark.parametrize("packed", PACKED)
    def test_cut_anywhere(self, packed: str) -> None:
        """Of a file cut anywhere, what is unpacked is the beginning of what was packed, and the cut is said."""
        plain = LINES[:3000]
        whole = PACKED[packed](plain)
        for end in range(4, len(whole)):
            found, damaged = both(whole[:end])
            assert damaged
            assert plain.startswith(found)

    @pytest.mark.parametrize("packed", PACKED)
    @given(data=st.data())
    def test_damaged_anywhere(self, packed: str, data: st.DataObject) -> None:
        """A file damaged anywhere ends, and raises nothing."""
        whole = bytearray(PACKED[packed](LINES[:3000]))
        place = data.draw(st.integers(4, len(whole) - 1))
        whole[place] ^= data.draw(st.integers(1, 255))
        both(bytes(whole))

    @pytest.mark.parametrize("packed", PACKED)
    def test_what_comes_before_the_damage_is_checked(self, packed: str) -> None:
        """The lines before the damage are read, and the damage is said once, of the line that it cut."""
        pieces = [PACKED[packed](LINES), PACKED[packed](LINES)[:-30]]
        found = items(b"".join(pieces))
        assert [item.line for item in found if isinstance(item, Observation)][:40] == [*range(1, 41)]
        (problem,) = problems(found)
        assert "the " + packed + " data is" in problem.problem
        assert "could be unpacked" in problem.problem

    def test_a_wrong_checksum(self) -> None:
        """A file that unpacks whole but does not add up is read whole, and said to be damaged, as a whole."""
        for pack in PACKED.values():
            data = bytearray(pack(LINES))
            data[-5 if data[:2] == b"\x1f\x8b" else -1] ^= 1
            found = items(bytes(data))
            assert sum(isinstance(item, Observation) for item in found) == 40
            assert [(p.line, "damaged" in p.problem) for p in problems(found)] == [(0, True)]

    def test_padding_and_what_follows(self) -> None:
        """Zeros after gzip data are padding; anything else is said and not read."""
        assert problems(items(gzip.compress(LINES) + bytes(2000))) == []
        (problem,) = problems(items(gzip.compress(LINES) + b"trailing"))
        assert "followed by something else" in problem.problem

    def test_frames_that_are_skipped(self) -> None:
        """A zstd file may begin with frames that hold no data, as parallel writers make them."""
        skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
        assert len(items(skipped + zstandard.compress(LINES))) == 40

    def test_packed_twice_and_thrice(self) -> None:
        """A packed file may hold a packed file, and no more."""
        twice = gzip.compress(zstandard.compress(LINES))
        assert len(items(twice)) == 40
        (problem,) = problems(items(gzip.compress(twice)))
        assert "more than 2 times" in problem.problem

    def test_the_outer_layer_says_why(self) -> None:
        """Where the outer layer is cut, the inner one is not blamed."""
        (problem,) = problems(items(gzip.compress(zstandard.compress(LINES), mtime=0)[:-60]))
        assert "the gzip data is cut off" in problem.problem

    def test_nothing_inside(self) -> None:
        """An empty file that is packed holds nothing, and that is no error."""
        assert [items(pack(b"")) for pack in PACKED.values()] == [[], []]

    def test_names(self) -> None:
        """The form is told by the name without the ending of the packing, and the packing not by the name."""
        stream = b'data: {"object":"thread.run","id":"r","status":"queued"}\n\nevent: done\ndata: [DONE]\n\n'
        head = b"\n\n" + stream
        assert type(items(gzip.compress(head), "x.sse.gz")[0]) is Observation
        assert type(items(head, "x.sse.gz")[0]) is Observation
        assert plain_name("a.b/c.JSON.GZ") == "a.b/c.JSON"

    def test_a_database_inside(self) -> None:
        """A packed database is to be unpacked first."""
        (problem,) = problems(items(gzip.compress(b"SQLite format 3\0"), "x.db.gz"))
        assert problem.problem == "a SQLite database: unpack it, and give it as sqlite:///FILE"

    def test_a_window_that_is_too_large(self) -> None:
        """A zstd file that asks for more memory than is its due is refused, not obeyed."""
        parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
        packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        (problem,) = problems(items(packer.compress(LINES * 3) + packer.flush()))
        assert "the zstd data is damaged (" in problem.problem
        assert "memory" in problem.problem

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the library of zstd it is said which extra brings it."""
        monkeypatch.setitem(sys.modules, "zstandard", None)
        with pytest.raises(MissingExtra, match=r"reading zstd needs pip install 'runengine\[readers\]'"):
            items(PACKED["zstd"](LINES))


class TestBombs:
    """What unpacks to far more than it is; whole files of it are in `tests.fuzz.test_bombs`."""

    @pytest.fixture(autouse=True)
    def _low_floor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unpacking, "FLOOR_BYTES", MB)

    @pytest.mark.parametrize("packed", PACKED)
    def test_a_bomb(self, packed: str) -> None:
        """A bomb is unpacked up to the floor and no further; what was before it is read."""
        data = PACKED[packed](LINES + b" " * 40 * MB)
        found = items(data)
        assert sum(isinstance(item, Observation) for item in found) == 40
        (problem,) = problems(found)
        assert f"the {packed} data looks like a bomb, as " in problem.problem
        assert both(data)[0].startswith(LINES)
        assert len(both(data)[0]) < 40 * MB

    def test_layers_are_held_to_one_bound(self) -> None:
        """Layers that each unpack to less than the bound allows are measured against the file itself."""
        inner = gzip.compress(Random(1).randbytes(1024) * 2048, mtime=0)
        assert both(inner) == (gzip.decompress(inner), False)
        found, damaged = both(gzip.compress(inner, mtime=0))
        assert (found, damaged) == (inner, False)
        (problem,) = problems(items(gzip.compress(inner, mtime=0)))[-1:]
        assert "looks like a bomb" in problem.problem

    def test_what_packs_well_is_no_bomb(self) -> None:
        """A recording of polls that are all alike is far from the bound."""
        data = as_lines({"observed_at": n, "data": clean("queued")} for n in range(2000))
        for pack in PACKED.values():
            assert both(pack(data)) == (data, False)


ENCODED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": lambda data: zlib.compress(data, wbits=-15),
    "zstd": zstandard.compress,
    "br": brotli.compress,
    "identity": lambda data: data,
    "": lambda data: data,
    "deflate , gzip": lambda data: gzip.compress(zlib.compress(data)),
}


class TestBodies:
    """Bodies of HTTP messages."""

    @pytest.mark.parametrize("encoding", ENCODED)
    @given(data=st.binary(max_size=500))
    def test_there_and_back(self, encoding: str, data: bytes) -> None:
        """What a Content-Encoding did is undone."""
        assert unpacked(ENCODED[encoding](data), encoding, 10_000) == data

    @pytest.mark.parametrize("encoding", [name for name in ENCODED if name not in ("identity", "")])
    @given(data=st.binary(max_size=200), cut=st.integers(0, 50), flip=st.integers(0, 200))
    def test_damage(self, encoding: str, data: bytes, cut: int, flip: int) -> None:
        """Bytes of any kind are unpacked, or refused with a ValueError."""
        body = bytearray(ENCODED[encoding](data))
        body[flip % len(body)] ^= 0x55
        for given_ in (bytes(body), data, bytes(body[: len(body) - cut])):
            try:
                assert len(unpacked(given_, encoding, 10_000)) <= 10_000
            except ValueError as error:
                assert str(error)  # noqa: PT017 - either is right

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "br"])
    def test_limits(self, encoding: str) -> None:
        """A body that unpacks to more than the limit, or is cut, is refused."""
        body = ENCODED[encoding](bytes(1_000_000))
        with pytest.raises(ValueError, match="more than 1,000 bytes"):
            unpacked(body, encoding, 1000)
        with pytest.raises(ValueError, match=r"cut off|damaged"):
            unpacked(body[:-1], encoding, 1_000_000)

    @pytest.mark.parametrize(("module", "encoding"), [("brotli", "br"), ("zstandard", "zstd")])
    def test_libraries(self, module: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A library that is not there is named."""
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ValueError, match=r"brotli|readers"):
            unpacked(ENCODED[encoding](b"x"), encoding, 10)


def test_a_packed_document() -> None:
    """Every form may be packed: a JSON document here."""
    data = gzip.compress(json.dumps([clean("queued"), clean("queued")], indent=1).encode())
    assert [type(item) for item in items(data, "x.json.gz")] == [Observation, Observation]
