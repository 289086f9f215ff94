"""JSON bytes to plain values and back. The only importer of msgspec.

What it promises beyond msgspec, each measured on msgspec 0.22 and held by a test:

* Every failure is a `NotJSON`; no `RecursionError` or `UnicodeError` escapes.
* An integer stays an exact `int` of any size that Python prints (4,300 digits), or is refused. A number written with
  a point or an exponent is a `float`, rounded to the nearest; past the largest float (`1e400`) it is refused.
* A key that stands twice in one object keeps its last value, silently: msgspec does not say, and looking costs more
  than decoding.
* A leading UTF-8 byte order mark is passed over (RFC 8259 §8.1 allows it); UTF-16, UTF-32 and lone surrogates are
  refused.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from runengine.core.parts import JSON
from runengine.errors import PayloadError

__all__ = [
    "ABSENT",
    "NOT_A_ROW",
    "Kind",
    "NotJSON",
    "Number",
    "Pairs",
    "Rows",
    "Whole",
    "decode",
    "encode",
    "row_decoder",
    "rows_decoder",
]

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_BYTE: Final = re.compile(r" \(byte (\d+)\)$")


class NotJSON(PayloadError):
    """Bytes that are not a JSON text, or a value that cannot be written as one.

    Attributes:
        problem: What is wrong and what was expected.
        offset: Byte at which it is wrong, from 0, or None where that is not known. In a file of one document a line,
            the column is one more.

    Example:
        >>> decode("[1,]")
        Traceback (most recent call last):
        runengine.dialects.wire.NotJSON: $: not JSON: trailing comma in array (byte 3)
    """

    def __init__(self, problem: str, offset: int | None = None) -> None:
        super().__init__((f"$: not JSON: {problem}" + ("" if offset is None else f" (byte {offset})"),))
        self.args = (problem, offset)
        self.problem = problem
        self.offset = offset


def decode(data: bytes | str) -> JSON:
    """Read one JSON text.

    Args:
        data: The text, in UTF-8 if bytes.

    Returns:
        None, bool, int, float, str, list or dict, each of exactly that class.

    Raises:
        NotJSON: it is not one JSON text, is nested past the recursion limit, or has a number that would not survive.

    Example:
        >>> decode(b'{"id": "run_1", "temperature": 1}')
        {'id': 'run_1', 'temperature': 1}
    """
    try:
        return _decode(data)
    except (ValueError, RecursionError) as error:
        raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
        if not raw.startswith(BOM_UTF8):
            raise _refusal(error, raw) from None
    try:
        return _decode(raw[len(BOM_UTF8) :])
    except (ValueError, RecursionError) as error:
        raise _refusal(error, raw, len(BOM_UTF8)) from None


def encode(value: JSON) -> bytes:
    """Write one JSON text: compact, keys in their order, non-ASCII as it is.

    What is written is read back and compared, since msgspec writes NaN as null and guesses at what is not JSON (a
    tuple, a date, a key that is no string).

    Args:
        value: What `decode` could have returned.

    Raises:
        NotJSON: some part of it is not a JSON value; the first is named with its path.

    Example:
        >>> encode({"model": "gpt-4o", "top_p": None})
        b'{"model":"gpt-4o","top_p":null}'
        >>> encode({"top_p": [1.0, float("nan")]})
        Traceback (most recent call last):
        runengine.dialects.wire.NotJSON: $: not JSON: float nan at $.top_p[1]
    """
    try:
        data = _encode(value)
        if _decode(data) == value:
            return data
    except RecursionError:
        raise NotJSON("nested deeper than the recursion limit") from None
    except (TypeError, ValueError, OverflowError):
        pass
    path, culprit = next(_culprits(value))
    raise NotJSON(f"{type(culprit).__name__} {_shown(culprit)} at {path}")


ABSENT: Final = msgspec.UNSET
"""What a field of a row holds whose key is not there."""


NOT_A_ROW: Final = (ValueError, RecursionError)
"""What a row decoder raises."""


_KINDS: Final[dict[str, tuple[Any, ...]]] = {
    "text": (str,),
    "value": (Any, ABSENT),
    "raw": (msgspec.Raw, msgspec.Raw(b"")),
    "absent": (msgspec.UnsetType, ABSENT),
}


def row_decoder(keys: Mapping[str, Literal["text", "value", "raw"]]) -> Callable[[bytes], Any]:
    """A decoder of JSON objects with known keys to rows, which takes half the time of `decode`.

    Args:
        keys: Each key and what is made of it, best in the order in which they usually stand. A "text" must be there and
            be a string; a "value" is decoded; of a "raw" the bytes that stand there are kept, not decoded: compare
            them with some that were.

    Returns:
        A function of a line to an object with these attributes, `ABSENT` where the key of a value is not there, no
        bytes where that of a raw is not. It raises one of `NOT_A_ROW` where the line is anything else: read that with
        `decode`.

    Example:
        >>> row_of = row_decoder({"id": "text", "created_at": "value", "tools": "raw"})
        >>> row = row_of(b'{"id": "run_1", "tools": [ ]}')
        >>> row.id, row.created_at is ABSENT, bytes(row.tools)
        ('run_1', True, b'[ ]')
        >>> try: row_of(b'{"id": "run_1", "other": 1}')
        ... except NOT_A_ROW: print("no row")
        no row
    """
    return msgspec.json.Decoder(_struct("Row", {key: _KINDS[kind] for key, kind in keys.items()}, False)).decode


class Whole(NamedTuple):
    """A kind: a whole number within bounds, written without point or exponent.

    Attributes:
        least: The smallest, or None.
        most: The largest, or None.
        needed: The key must be there and not be null.

    Example:
        >>> Whole(1).most is None
        True
    """

    least: int | None = None
    most: int | None = None
    needed: bool = False


class Number(NamedTuple):
    """A kind: a number within bounds, made a float. Bounds within 2**53 keep whole numbers exact.

    Attributes:
        least: The smallest.
        most: The largest.

    Example:
        >>> Number(0, 2).most
        2
    """

    least: float
    most: float


class Pairs(NamedTuple):
    """A kind: an object whose values are strings.

    Attributes:
        pairs_max: So many pairs at most.
        key_max: Longest key, characters.
        value_max: Longest value, characters.

    Example:
        >>> Pairs(16, 64, 512).pairs_max
        16
    """

    pairs_max: int
    key_max: int
    value_max: int


Kind = (
    Literal["text", "value", "raw", "string", "boolean", "object", "absent"] | tuple[str, ...] | Whole | Number | Pairs
)
"""What is made of a key of a row: see `rows_decoder`."""


class Rows(NamedTuple):
    r"""Two ways to read rows.

    Attributes:
        one: One line to a row.
        many: Lines to a list of rows. Only space tells one value from the next: blank lines make no row, and it takes
            two rows in a line, or one in two lines, as they come; whoever counts on lines has to look.

    Example:
        >>> rows = rows_decoder({"id": "text"})
        >>> [row.id for row in rows.many(b'{"id": "a"}\n{"id": "b"}\n')]
        ['a', 'b']
    """

    one: Callable[[Any], Any]
    many: Callable[[Any], list[Any]]


def rows_decoder(keys: Mapping[str, Kind], *, others: bool = False, within: Mapping[str, Kind] | None = None) -> Rows:
    """A decoder of JSON objects with known keys and types to rows: the narrower the kinds, the less is left to check.

    Args:
        keys: Each key and what is made of it: what `row_decoder` knows; a "string", "boolean" or "object" of just that
            type; one of some words, which must be there; an "absent" that must not; a `Whole`, `Number` or `Pairs`.
            Where not said otherwise, a key may be left out (`ABSENT`) or be null.
        others: Other keys are passed over, without a look at what they hold but for its being written as JSON is.
        within: Keys of an object around the row, which stands there as `data`.

    Returns:
        What raises one of `NOT_A_ROW` where something is anything else.

    Example:
        >>> rows = rows_decoder({"id": "text", "at": Whole(1)}, within={"kind": ("poll", "create")})
        >>> envelope = rows.one(b'{"kind": "poll", "data": {"id": "run_1", "at": null}}')
        >>> envelope.kind, envelope.data.id, envelope.data.at
        ('poll', 'run_1', None)
        >>> try: rows.one(b'{"kind": "poll", "data": {"id": "run_1", "at": 1.0}}')
        ... except NOT_A_ROW as error: print(error)
        Expected `int | null`, got `float` - at `$.data.at`
    """
    row = _struct("Row", {key: _kind(kind) for key, kind in keys.items()}, others)
    if within is not None:
        around = {key: _kind(kind) for key, kind in within.items()}
        row = _struct("Envelope", {**around, "data": (row,)}, others)
    decoder = msgspec.json.Decoder(row)
    return Rows(one=decoder.decode, many=decoder.decode_lines)


def _struct(name: str, fields: dict[str, tuple[Any, ...]], others: bool) -> Any:
    made = [(key, *kind) for key, kind in fields.items()]
    return msgspec.defstruct(name, made, kw_only=True, forbid_unknown_fields=not others, gc=False)


_FREE: Final[dict[str, Any]] = {"string": str, "boolean": bool, "object": dict[str, Any]}


def _kind(kind: Kind) -> tuple[Any, ...]:
    """The type and, where the key may be missing, what stands for it."""
    if isinstance(kind, str):
        return _KINDS[kind] if kind in _KINDS else (_FREE[kind] | None | msgspec.UnsetType, ABSENT)
    if isinstance(kind, Whole):
        whole: Any = Annotated[int, msgspec.Meta(ge=kind.least, le=kind.most)]
        return (whole,) if kind.needed else (whole | None | msgspec.UnsetType, ABSENT)
    if isinstance(kind, Number):
        number: Any = Annotated[float, msgspec.Meta(ge=kind.least, le=kind.most)]
        return number | None | msgspec.UnsetType, ABSENT
    if isinstance(kind, Pairs):
        key: Any = Annotated[str, msgspec.Meta(max_length=kind.key_max)]
        value: Any = Annotated[str, msgspec.Meta(max_length=kind.value_max)]
        pairs: Any = Annotated[dict[key, value], msgspec.Meta(max_length=kind.pairs_max)]
        return pairs | None | msgspec.UnsetType, ABSENT
    return (Literal[kind],)


def _refusal(error: Exception, raw: bytes, skipped: int = 0) -> NotJSON:
    """What msgspec's error means, with its place; `skipped` bytes were kept from it."""
    if isinstance(error, RecursionError):
        return NotJSON("nested deeper than the recursion limit")
    if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or 0 in raw[:4]:
        return NotJSON("zero bytes or a UTF-16 mark, expected UTF-8", 0)
    if not raw[skipped:].strip():
        return NotJSON("empty, expected a value", len(raw))
    try:
        raw.decode()
    except UnicodeDecodeError as wrong:
        return NotJSON(f"not UTF-8: {wrong.reason}", wrong.start)
    message = str(error)
    if "truncated" in message:
        return NotJSON("cut off, expected more", len(raw))
    place = _BYTE.search(message)
    message = _BYTE.sub("", message).removeprefix("JSON is malformed: ")
    if place is None:
        return NotJSON(message)
    past = message == "trailing characters"  # there msgspec points one byte past the first of them
    return NotJSON(message, int(place[1]) + skipped - past)


def _culprits(value: JSON, path: str = "$") -> Iterator[tuple[str, object]]:
    """Each part of a value that JSON does not have, with its path."""
    if value.__class__ is list:
        for index, item in enumerate(value):
            yield from _culprits(item, f"{path}[{index}]")
    elif value.__class__ is dict:
        for key, item in value.items():
            if key.__class__ is not str or not _survives(key):
                yield path, key
            yield from _culprits(item, f"{path}.{key}")
    elif not _survives(value):
        yield path, value


def _survives(leaf: object) -> bool:
    try:
        return bool(_decode(_encode(leaf)) == leaf)
    except (TypeError, ValueError, OverflowError):
        return False


def _shown(value: object) -> str:
    try:
        return repr(value)[:60]
    except ValueError:  # an int too long for Python to print
        return "too long to print"
