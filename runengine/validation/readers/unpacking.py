"""Packed recordings: gzip and zstd, told by their first bytes, and unpacked piece by piece.

What was unpacked before a file breaks is still read; where and how it broke is kept in `problem`. A file that unpacks
to more than `RATIO_MAX` times what was read of it, once that is more than `FLOOR_BYTES`, is taken for a bomb; whoever
trusts it pipes it in: `zcat FILE | runengine check -`. Source: RFC 1952 (gzip), RFC 8878 (zstd), RFC 9110 §8.4.1.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from io import RawIOBase
from typing import Any, BinaryIO, Final

from attrs import evolve, frozen

from runengine.errors import MissingExtra

__all__ = ["FLOOR_BYTES", "RATIO_MAX", "Packing", "Unpacking", "packing_of", "plain_name", "unpacked"]

RATIO_MAX: Final = 500
"""Honest recordings pack to a hundredth at the best; what unpacks to more than this many times itself is a bomb."""

FLOOR_BYTES: Final = 64 * 1024 * 1024
"""So much may be unpacked from however little."""

_ENDINGS: Final = (".gz", ".gzip", ".zst", ".zstd")
_WINDOW_BYTES_MAX: Final = 128 * 1024 * 1024
"""What a zstd file may ask to be kept in memory: as much as `zstd -d` allows unasked."""

_GZIP_WBITS: Final = 31
_GZIP_STEP: Final = 16 * 1024
"""Of so much, gzip makes at most 1,032 times as much."""

_ZSTD_STEP: Final = 1024
"""Of so much, zstd makes at most 32 MiB: a block of 128 KiB takes four bytes."""

_BROTLI_STEP: Final = 16
_SKIPPED_FRAMES: Final = tuple(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))
_MAGIC_BYTES: Final = 4
_ZLIB_CHECK: Final = 31


@frozen(kw_only=True)
class Packing:
    r"""One way of packing.

    Attributes:
        name: gzip or zstd.
        magics: What packed data begins with.
        step: How many packed bytes are unpacked at a time.
        start: Makes what unpacks one frame; it has `decompress`, `eof` and `unused_data`, as zlib's have.
        broken: What it raises where the data is damaged.

    Example:
        >>> packing_of(b"\x1f\x8b\x08").step
        16384
    """

    name: str
    magics: tuple[bytes, ...]
    step: int
    start: Callable[[], Any]
    broken: Callable[[], type[Exception]]


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise MissingExtra("reading zstd", "readers") from None
    return zstandard


def _zstd_frame() -> Any:
    return _zstandard().ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX).decompressobj()


_GZIP: Final = Packing(
    name="gzip",
    magics=(b"\x1f\x8b",),
    step=_GZIP_STEP,
    start=lambda: zlib.decompressobj(_GZIP_WBITS),
    broken=lambda: zlib.error,
)
_ZSTD: Final = Packing(
    name="zstd",
    magics=(b"\x28\xb5\x2f\xfd", *_SKIPPED_FRAMES),
    step=_ZSTD_STEP,
    start=_zstd_frame,
    broken=lambda: _zstandard().ZstdError,
)


def packing_of(start: bytes) -> Packing | None:
    r"""How data is packed, by its first bytes; None where it is not.

    Example:
        >>> packing_of(b"(\xb5/\xfd").name, packing_of(b"{}")
        ('zstd', None)
    """
    return next((packing for packing in (_GZIP, _ZSTD) if start.startswith(packing.magics)), None)


def plain_name(path: str) -> str:
    """A path without the endings of compressions.

    Example:
        >>> plain_name("runs.sse.gz"), plain_name("runs.jsonl")
        ('runs.sse', 'runs.jsonl')
    """
    while path.lower().endswith(_ENDINGS):
        path = path[: path.rindex(".")]
    return path


class Unpacking(RawIOBase):
    r"""A packed file as it reads unpacked. Where it is damaged it ends, and `problem` says so.

    Args:
        source: The packed file.
        packing: How it is packed.
        within: What unpacks the source, where that is packed itself: both are held to one bound.

    Attributes:
        problem: Why it ended before its end, or None.

    Example:
        >>> import gzip, io
        >>> file = Unpacking(io.BytesIO(gzip.compress(b"{}")[:-9]), packing_of(b"\x1f\x8b"))
        >>> file.read(), file.problem
        (b'{}', 'the gzip data is cut off: 2 bytes could be unpacked')
    """

    def __init__(self, source: BinaryIO, packing: Packing, within: Unpacking | None = None) -> None:
        super().__init__()
        self.problem: str | None = None
        self._source, self._packing, self._within = source, packing, within
        self._frame = packing.start()
        self._begins = True
        self._rest = b""
        self._ready = memoryview(b"")
        self._ended = False
        self._read = self._made = 0

    @property
    def packed_bytes(self) -> int:
        """How much of the file itself was read."""
        return self._read if self._within is None else self._within.packed_bytes

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As of every raw file; 0 at the end, which may be where it is damaged."""
        while not self._ready and not self._ended:
            self._more()
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _more(self) -> None:
        data = self._rest or self._source.read(self._packing.step)
        self._read += 0 if self._rest else len(data)
        self._rest = b""
        out, wrong = self._unpack(data)
        self._begins = False
        self._made += len(out)
        self._ready = memoryview(out)
        if self._made > max(FLOOR_BYTES, RATIO_MAX * self.packed_bytes):
            much = f"looks like a bomb, as {self.packed_bytes:,} bytes hold more than {RATIO_MAX} times as much"
            self._end(f"{much}; if it is none, pipe it in unpacked")
        elif wrong is not None:
            self._end(wrong)
        elif self._frame.eof:
            self._next_frame()

    def _unpack(self, data: bytes) -> tuple[bytes, str | None]:
        """What a piece holds, and what is wrong with it."""
        if not data:
            return b"", "is cut off"
        broken = self._packing.broken()
        before = self._frame.copy() if self._packing is _GZIP else self._packing.start() if self._begins else None
        try:
            return self._frame.decompress(data), None
        except broken as error:
            saved = b"" if before is None else _salvaged(before, data, broken)
            return saved, f"is damaged ({str(error)[:120]})"

    def _next_frame(self) -> None:
        rest = self._frame.unused_data
        while not self._ended:
            if self._packing is _GZIP:
                rest = rest.lstrip(b"\0")  # what tapes and blocks are filled with
            if len(rest) >= _MAGIC_BYTES:
                break
            more = self._source.read(self._packing.step)
            self._read += len(more)
            if not more:
                break
            rest += more
        if not rest:
            self._ended = True
        elif rest.startswith(self._packing.magics):
            self._frame, self._rest, self._begins = self._packing.start(), rest, True
        else:
            self._end("is followed by something else, which was not read")

    def _end(self, what: str) -> None:
        self._ended = True
        if self.problem is None:
            self.problem = f"the {self._packing.name} data {what}: {self._made:,} bytes could be unpacked"


def _salvaged(frame: Any, data: bytes, broken: type[Exception]) -> bytes:
    """What can be unpacked before the damage, byte by byte: a call that fails gives nothing."""
    out = bytearray()
    with suppress(broken):
        for place in range(len(data)):
            out += frame.decompress(data[place : place + 1])
    return bytes(out)


def unpacked(data: bytes, encoding: str, limit: int) -> bytes:
    """The body of an HTTP message, with its Content-Encoding undone.

    Args:
        data: The body as it was sent.
        encoding: The header: gzip, deflate, zstd, br, identity, or several in the order they were applied.
        limit: The largest body that is unpacked, bytes.

    Raises:
        ValueError: it is damaged or larger, or its encoding is not known, or needs a library that is not there.

    Example:
        >>> unpacked(zlib.compress(b"{}"), "deflate", 100)
        b'{}'
        >>> unpacked(b"", "compress", 100)
        Traceback (most recent call last):
        ValueError: the content encoding 'compress' is not known: expected gzip, deflate, zstd or br
    """
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if name in ("", "identity"):
            continue
        if name not in _BODIES:
            expected = "expected gzip, deflate, zstd or br"
            raise ValueError(f"the content encoding {name[:40]!r} is not known: {expected}")
        try:
            data = _bounded(_BODIES[name](data), data, limit)
        except MissingExtra as missing:
            raise ValueError(str(missing)) from None
    return data


def _bounded(packing: Packing, data: bytes, limit: int) -> bytes:
    """All frames of a body, or a ValueError."""
    name, broken = packing.name, packing.broken()
    out, frame, at = bytearray(), packing.start(), 0
    try:
        while at < len(data):
            piece = data[at : at + packing.step]
            at += len(piece)
            out += frame.decompress(piece)
            if len(out) > limit:
                raise ValueError(f"the {name} body unpacks to more than {limit:,} bytes")
            if frame.eof:
                at -= len(frame.unused_data)
                if at < len(data):
                    frame = packing.start()
    except broken as error:
        raise ValueError(f"the {name} body is damaged: {str(error)[:120]}") from None
    if data and not frame.eof:
        raise ValueError(f"the {name} body is cut off")
    return bytes(out)


class _Brotli:
    """A brotli stream with the names zlib's have."""

    unused_data = b""

    def __init__(self, decompressor: Any) -> None:
        self._decompressor = decompressor

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.is_finished())

    def decompress(self, data: bytes) -> bytes:
        return bytes(self._decompressor.process(data))


def _brotli() -> Any:
    try:
        import brotli  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        raise ValueError("a br body needs the library brotli, which is not installed") from None
    return brotli


def _deflate(data: bytes) -> Packing:
    # The name stands for zlib's format; some servers send the bare deflate inside of it (RFC 9110 §8.4.1.2).
    is_zlib = data[:1] == b"\x78" and int.from_bytes(data[:2], "big") % _ZLIB_CHECK == 0
    wbits = zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
    return evolve(_GZIP, name="deflate", start=lambda: zlib.decompressobj(wbits))


_BROTLI: Final = Packing(
    name="br",
    magics=(),
    step=_BROTLI_STEP,
    start=lambda: _Brotli(_brotli().Decompressor()),
    broken=lambda: _brotli().error,
)

_BODIES: Final[dict[str, Callable[[bytes], Packing]]] = {
    "gzip": lambda _data: _GZIP,
    "x-gzip": lambda _data: _GZIP,
    "deflate": _deflate,
    "zstd": lambda _data: _ZSTD,
    "br": lambda _data: _BROTLI,
}
