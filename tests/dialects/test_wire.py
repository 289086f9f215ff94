"""JSON texts: what is read exactly, what is refused and where."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.dialects.wire import NotJSON, decode, encode
from tests.dialects.documents import json_values

DEEP = 1_000_000


def refusal(data: bytes | str) -> tuple[str, int | None]:
    """The problem for which it is refused, and its byte."""
    with pytest.raises(NotJSON) as caught:
        decode(data)
    return caught.value.problem, caught.value.offset


class TestDecode:
    @given(json_values)
    def test_agrees_with_the_standard_library(self, value: Any) -> None:
        """A text of the standard library, escaped or not, bytes or str, reads as the value it was made from."""
        for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
            assert repr(decode(text)) == repr(value)
            assert repr(decode(text.encode())) == repr(value)

    @pytest.mark.parametrize("digits", [19, 20, 25, 310, 400, 4299])
    def test_integers_are_exact(self, digits: int) -> None:
        """An integer of any size that Python prints stays an exact int."""
        for text in ("9" * digits, "-" + "9" * digits):
            assert type(decode(text)) is int
            assert str(decode(text)) == text

    def test_an_integer_past_what_python_prints_is_refused(self) -> None:
        """It is never turned into a float."""
        assert refusal("1" * 10_000) == ("Integer value out of range", None)

    @pytest.mark.parametrize("text", ["1e400", "-1e400", "1e309", "[1.8e308]", "1" * 400 + ".0"])
    def test_a_float_past_the_largest_is_refused(self, text: str) -> None:
        """It is never turned into infinity."""
        problem, _ = refusal(text)
        assert problem.startswith("Number out of range")

    @pytest.mark.parametrize(("text", "value"), [("1e2", 100.0), ("1.0", 1.0), ("1e-400", 0.0), ("-0.0", -0.0)])
    def test_a_point_or_exponent_makes_a_float(self, text: str, value: float) -> None:
        """So an int never comes from a float, nor a float from an int."""
        assert repr(decode(text)) == repr(value)

    def test_the_last_of_two_equal_keys_wins(self) -> None:
        """Duplicate keys are not noticed."""
        assert decode('{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}

    @pytest.mark.parametrize(
        ("data", "problem", "offset"),
        [
            (b"", "empty, expected a value", 0),
            (" \n", "empty, expected a value", 2),
            (b'{"id": "run_1"', "cut off, expected more", 14),
            (b'"abc', "cut off, expected more", 4),
            (b"[1, NaN]", "invalid character", 4),
            (b"Infinity", "invalid character", 0),
            (b"[-Infinity]", "invalid character", 2),
            (b"[1,]", "trailing comma in array", 3),
            (b'{"a": 1} x', "trailing characters", 9),
            (b"{1: 2}", "object keys must be strings", 1),
            (b"{'a': 2}", "object keys must be strings", 1),
            (b"[01]", "invalid number", 2),
            (b'["\t"]', "invalid character", 2),
            (b'{"a": "\xff"}', "not UTF-8: invalid start byte", 7),
            (b'{"\xff": 1}', "not UTF-8: invalid start byte", 2),
            ('["é'.encode() + b'\xed\xa0\x80"]', "not UTF-8: invalid continuation byte", 4),
            ('["\ud800"]', "not UTF-8: invalid continuation byte", 2),
            (b"\x00" * 9, "zero bytes or a UTF-16 mark, expected UTF-8", 0),
            (b"\xef\xbb\xbf", "empty, expected a value", 3),
            (b"\xef\xbb\xbf[1,]", "trailing comma in array", 6),
            (b"\xef\xbb\xbf\xef\xbb\xbf{}", "invalid character", 3),
            *(
                ("{}".encode(name), "zero bytes or a UTF-16 mark, expected UTF-8", 0)
                for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
            ),
        ],
    )
    def test_refusals(self, data: bytes | str, problem: str, offset: int | None) -> None:
        """What is no JSON is refused, with the byte."""
        assert refusal(data) == (problem, offset)

    @pytest.mark.parametrize("text", [r'"\ud800"', r'["\ud800", 1]', r'"\udc00"', r'"\ud800A"'])
    def test_lone_surrogates_are_refused(self, text: str) -> None:
        """A str that could not be written again is not read."""
        refusal(text)

    @pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", "\ufeff"])
    def test_a_utf8_mark_is_passed_over(self, mark: Any) -> None:
        """As RFC 8259 allows."""
        assert decode(mark + (b"[1]" if isinstance(mark, bytes) else "[1]")) == [1]

    @pytest.mark.parametrize("data", [b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP])
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_nesting(self, data: bytes, mark: bytes) -> None:
        """Nesting past the recursion limit is refused like anything else."""
        assert refusal(mark + data) == ("nested deeper than the recursion limit", None)

    @given(st.binary(max_size=40))
    def test_any_bytes(self, data: bytes) -> None:
        """Bytes are read or refused with a place inside them; nothing else escapes."""
        try:
            decode(data)
        except NotJSON as error:
            offset = error.offset
        else:
            offset = None
        assert offset is None or 0 <= offset <= len(data)

    @given(json_values, st.data())
    def test_any_cut(self, value: Any, data: st.DataObject) -> None:
        """An object cut off anywhere is refused at the cut."""
        text = json.dumps({"k": value}, ensure_ascii=False).encode()
        cut = data.draw(st.integers(1, len(text) - 1))
        _, offset = refusal(text[:cut])
        assert offset is not None
        assert cut - 4 < offset <= cut


class TestEncode:
    @given(json_values)
    def test_reads_back(self, value: Any) -> None:
        """What is written reads back as it was, kind of number and order of keys too."""
        assert repr(decode(encode(value))) == repr(value)

    def test_form(self) -> None:
        """Compact, in the order given, non-ASCII as it is."""
        assert encode({"z": [1, 1.0, None], "a": "é日"}) == '{"z":[1,1.0,null],"a":"é日"}'.encode()

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            (math.nan, "float nan at $"),
            ({"a": [0, math.inf]}, "float inf at $.a[1]"),
            ({"a": None, "b": {"c": -math.inf}}, "float -inf at $.b.c"),
            ({"a": (1, 2)}, "tuple (1, 2) at $.a"),
            ([b"x"], "bytes b'x' at $[0]"),
            ({"a": {1: 2}}, "int 1 at $.a"),
            ({"a": {(1,): 2}}, "tuple (1,) at $.a"),
            (["\ud800"], r"str '\ud800' at $[0]"),
            ({"\ud800": 1}, r"str '\ud800' at $"),
            ([10**5000], "int too long to print at $[0]"),
            ([{1}], "set {1} at $[0]"),
        ],
    )
    def test_refusals(self, value: Any, problem: str) -> None:
        """What JSON does not have is refused and named with its path, never guessed at."""
        with pytest.raises(NotJSON) as caught:
            encode(value)
        assert caught.value.problem == problem

    def test_nesting(self) -> None:
        """Nesting past the recursion limit is refused, a circle too."""
        deep: list[Any] = []
        deep.append(deep)
        with pytest.raises(NotJSON, match="nested deeper"):
            encode(deep)


def test_the_error_pickles() -> None:
    """With its attributes."""
    with pytest.raises(NotJSON) as caught:
        decode(b"[1,]")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.args == (again.problem, again.offset) == ("trailing comma in array", 3)
    assert str(again) == str(caught.value)
