"""Corrupted records: whatever the shape table forbids is found, exhaustively per status and field.

The judge of presence and order is the naive model's `is_valid`, written from the prose, not the shape table; types and
places come from the document schema of the dialect tests; which code must speak is typed out here from DESIGN §5.
"""

from __future__ import annotations

from typing import Any

import pytest

from runengine.core.fields import FIELDS
from runengine.core.generations import GENERATIONS
from tests import naive, samples
from tests.dialects.documents import SAMPLES, Path, accepted, full, nullable, parent, places, replaced
from tests.validation.checking import Checked, check_lines, clean, without

STAMPS = ("created_at", "started_at", "completed_at", "failed_at", "cancelled_at")

PRESENCE = {
    **dict.fromkeys(STAMPS, ("RE201", "RE202")),
    "expires_at": ("RE206", "RE206"),
    "required_action": ("RE301", "RE301"),
    "last_error": ("RE302", "RE302"),
    "incomplete_details": ("RE303", "RE303"),
    "usage": ("RE304", "RE304"),
}
"""Field tied to the status to the code when it is missing, and when it is unexpected (DESIGN §5)."""

VALUES: dict[str, Any] = {
    **dict.fromkeys(STAMPS, samples.END_S),
    "created_at": samples.T0_S,
    "started_at": samples.START_S,
    "expires_at": samples.DEADLINE_S,
    "required_action": clean("requires_action")["required_action"],
    "last_error": clean("failed")["last_error"],
    "incomplete_details": clean("incomplete")["incomplete_details"],
    "usage": clean("completed")["usage"],
}


def errors(checked: Checked) -> set[tuple[str, str | None]]:
    """Code and field of every violation of severity error."""
    return {(v.code, v.field) for v in checked.violations if v.severity == "error"}


def is_valid(record: dict[str, Any]) -> bool:
    """The naive model's verdict."""
    return naive.is_valid({name: value for name, value in record.items() if value is not None})


class TestPresence:
    """A field of the shape table set, null or absent."""

    @pytest.mark.parametrize("status", naive.ALL_STATUSES)
    def test_clean(self, status: str) -> None:
        """A right record has no violation at all, with its nulls or without them, started or not where it may be."""
        for started in (True, False) if status in samples.UNSTARTED_STATUSES else (True,):
            record = clean(status, started_at=samples.START_S if started else None)
            assert is_valid(record)
            assert check_lines(record).violations == []
            nulls = [name for name, value in record.items() if value is None]
            assert check_lines(without(record, *nulls)).violations == []

    @pytest.mark.parametrize("field", PRESENCE)
    @pytest.mark.parametrize("status", naive.ALL_STATUSES)
    def test_set_null_absent(self, status: str, field: str) -> None:
        """Set, null and absent are each an error exactly where the naive model says so, with the code of the field."""
        record = clean(status)
        for changed in (record | {field: VALUES[field]}, record | {field: None}, without(record, field)):
            wrong = PRESENCE[field][changed.get(field) is not None]
            assert errors(check_lines(changed)) == (set() if is_valid(changed) else {(wrong, field)})

    def test_every_code_is_met(self) -> None:
        """The naive model forbids each field somewhere: a judge that never speaks would hide."""
        forbidden = {
            (field, value is not None)
            for status in naive.ALL_STATUSES
            for field, some in VALUES.items()
            for value in (some, None)
            if not is_valid(clean(status) | {field: value})
        }
        never_missing, never_unexpected = {("usage", False)}, {("created_at", True), ("started_at", True)}
        every = {(field, is_set) for field in PRESENCE for is_set in (True, False)}
        assert forbidden == every - never_missing - never_unexpected


class TestStamps:
    """The value of a stamp."""

    @pytest.mark.parametrize("field", [*STAMPS, "expires_at"])
    @pytest.mark.parametrize("status", naive.ALL_STATUSES)
    def test_no_seconds(self, status: str, field: str) -> None:
        """In each status and stamp: 0 is RE209; a float, text, milliseconds, a negative, a boolean, an object RE207."""
        record = clean(status)
        expected = {(PRESENCE[field][1], field)} if record[field] is None and field != "started_at" else set()
        good: int = VALUES[field]
        wrong: tuple[Any, ...] = (float(good), good + 0.5, str(good), True, [good], {}, good * 1000, -good, -1, 10**400)
        for value in wrong:
            assert errors(check_lines(record | {field: value})) == expected | {("RE207", field)}, value
        assert errors(check_lines(record | {field: 0})) == expected | {("RE209", field)}

    @pytest.mark.parametrize("status", naive.ALL_STATUSES)
    def test_order(self, status: str) -> None:
        """Each stamp moved by a second beyond each other is RE203 on the later of the two, as the naive model says."""
        own = [name for name in STAMPS if clean(status)[name] is not None]
        equal = clean(status, **dict.fromkeys(own, samples.START_S))
        assert is_valid(equal)
        assert errors(check_lines(equal)) == set()
        for earlier, later in [(a, b) for i, a in enumerate(own) for b in own[i + 1 :]]:
            for broken in (equal | {earlier: samples.START_S + 1}, equal | {later: samples.START_S - 1}):
                found = errors(check_lines(broken))
                assert not is_valid(broken)
                assert ("RE203", later) in found
                assert {code for code, _ in found} == {"RE203"}

    @pytest.mark.parametrize("status", naive.ALL_STATUSES)
    def test_deadline(self, status: str) -> None:
        """To start or end at the deadline is RE210, a second before it is fine; expired and cancelled are free."""
        first = clean("queued", started_at=None)
        deadline = samples.DEADLINE_S
        for field in STAMPS[1:]:
            if clean(status)[field] is None:
                continue
            late = clean(status, **{field: deadline})
            if field == "started_at":
                late = {n: deadline if n in STAMPS[2:] and v is not None else v for n, v in late.items()}
            free = field != "started_at" and status in ("expired", "cancelled")
            found = {f for code, f in errors(check_lines(first, late, select=("RE210",)))}
            assert (field in found) == (not free)
            early = {n: v - 1 if v == deadline and n in STAMPS else v for n, v in late.items()}
            assert check_lines(first, early, select=("RE210",)).violations == []


def dotted(path: Path) -> str:
    """A place as violations spell it: `tools[1].type`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


PLACES = [(last, path, spec) for last in (False, True) for path, spec in places(last)]
INNER = [place for place in PLACES if len(place[1]) > 1]
OUTER = [(last, path, spec) for last, path, spec in PLACES if len(path) == 1 and path[0] not in ("status", "object")]


def whole(last: bool) -> dict[str, Any]:
    """A run with every key of every object; its status says little for it."""
    return {**full(last), "object": "thread.run"}


def ident(value: Any) -> str:
    """A case's name."""
    return dotted(value) if isinstance(value, tuple) else "objects" if value is True else ""


class TestTypes:
    """A value of a wrong JSON type, anywhere in a record with every key of every object."""

    @pytest.mark.parametrize(("last", "path", "spec"), OUTER, ids=ident)
    def test_of_a_field(self, last: bool, path: Path, spec: str) -> None:
        """A wrong type in a field is RE308, in a stamp RE207, and a right one is neither."""
        field = dotted(path)
        stamp = FIELDS[field].kind == "stamp"
        wrong = "RE207" if stamp else "RE308"
        for kind, values in SAMPLES.items():
            for value in values if kind != "null" else ():
                if stamp and value == 10**40:
                    continue
                found = errors(check_lines(replaced(whole(last), path, value)))
                assert ((wrong, field) in found) == (kind not in accepted(spec)), value

    @pytest.mark.parametrize(("last", "path", "spec"), INNER, ids=ident)
    def test_of_a_place_inside(self, last: bool, path: Path, spec: str) -> None:
        """A wrong type inside an object or array is RE308 with the place's path, and a right one is not."""
        for kind, values in SAMPLES.items():
            for value in values:
                found = errors(check_lines(replaced(whole(last), path, value)))
                assert (("RE308", dotted(path)) in found) == (kind not in accepted(spec)), value

    @pytest.mark.parametrize(("last", "path", "spec"), [p for p in INNER if isinstance(p[1][-1], str)], ids=ident)
    def test_missing_inside(self, last: bool, path: Path, spec: str) -> None:
        """A key left out of an object is RE307, unless it may be null."""
        document = whole(last)
        del parent(document, path)[path[-1]]
        assert (("RE307", dotted(path)) in errors(check_lines(document))) == (not nullable(spec))

    @pytest.mark.parametrize("status", naive.ALL_STATUSES)
    @pytest.mark.parametrize("field", [n for n in FIELDS if n not in (*PRESENCE, "status", "object")])
    def test_of_a_clean_record(self, field: str, status: str) -> None:
        """In a clean record of each status one wrong type is one violation, whatever the field."""
        for value in (None, True, 5, 1.5, "x", [1], {"x": 1}):
            found = [(v.code, v.field) for v in check_lines(clean(status, **{field: value})).violations]
            kinds = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}
            loose = {"array": (list,), "object": (dict,), "word or object": (str, dict)}
            right = type(value) in kinds.get(FIELDS[field].kind, ()) or type(value) in loose.get(FIELDS[field].kind, ())
            null = value is None and (FIELDS[field].nullable_from is not None or field in ("instructions", "file_ids"))
            assert (("RE308", field) in found) == (not right and not null), value
            assert {(at or "").partition("[")[0].partition(".")[0] for _, at in found} <= {field}


def record_of(generation: int, status: str, nulls: bool) -> dict[str, Any]:
    """A clean record of one generation: its keys, its words, created a day after it was published.

    Args:
        generation: 0 to 16.
        status: One that it knows.
        nulls: Whether nullable keys are there while they are null.
    """
    created_at = GENERATIONS[generation].published_s + 86_400
    shift_s = created_at - samples.T0_S
    filled = {
        "object": "assistant.run" if generation == 0 else "thread.run",
        "tools": [{"type": "retrieval" if generation < 8 else "file_search"}, {"type": "code_interpreter"}],
        "file_ids": ["file-1"],
        "tool_choice": "auto",
        "response_format": "auto",
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "max_prompt_tokens": 256,
        "parallel_tool_calls": True,
        "top_p": 1,
    }
    record = {**clean(status), **filled}
    record = {n: v + shift_s if FIELDS[n].kind == "stamp" and v is not None else v for n, v in record.items()}
    return {n: v for n, v in record.items() if FIELDS[n].declared_in(generation) and (nulls or v is not None)}


class TestGenerations:
    """Records of every published generation."""

    @pytest.mark.parametrize("generation", range(17))
    def test_clean_in_its_own(self, generation: int) -> None:
        """In every status it knows a generation's record is clean, without being told the generation and with it."""
        for status in naive.ALL_STATUSES:
            if status == "incomplete" and generation < 9:
                continue
            for nulls in (True, False):
                record = record_of(generation, status, nulls)
                assert check_lines(record).violations == [], (status, nulls)
                assert check_lines(record, generation=generation).violations == [], (status, nulls)

    @pytest.mark.parametrize("generation", range(9))
    def test_incomplete_before_it_was_known(self, generation: int) -> None:
        """A record that is incomplete before G9 is RE107, a warning, when held to its generation."""
        record = record_of(generation, "incomplete", nulls=True)
        checked = check_lines(record, generation=generation, ignore=("RE303",))
        assert [(v.code, v.severity, v.field) for v in checked.violations] == [("RE107", "warning", "status")]

    @pytest.mark.parametrize("generation", range(17))
    def test_required_keys(self, generation: int) -> None:
        """Held to its generation, a record without a key that may not be null there is RE307, and no other key is."""
        record = record_of(generation, "completed", nulls=True)
        for name, field in FIELDS.items():
            if name in record and name not in ("object", "status", *PRESENCE):
                found = [
                    (v.code, v.field) for v in check_lines(without(record, name), generation=generation).violations
                ]
                may_be_null = field.nullable_from is not None and generation >= field.nullable_from
                required = not field.optional and not may_be_null and name != "instructions"
                assert found == ([("RE307", name)] if required else [])

    @pytest.mark.parametrize("generation", range(17))
    def test_keys_of_others(self, generation: int) -> None:
        """Held to its generation, a key that only others declare is a remark."""
        record = record_of(generation, "completed", nulls=True)
        for name in FIELDS.keys() - record.keys():
            checked = check_lines({**record, name: None}, generation=generation, select=("RE309",))
            assert [(v.field, v.severity) for v in checked.violations] == [(name, "info")]

    def test_speaks_only_if_all_agree(self) -> None:
        """Where keys and date leave several generations, a key that one of them lacks or requires is no violation."""
        dated = {
            "created_at": GENERATIONS[6].published_s,
            "started_at": None,
            "expires_at": GENERATIONS[6].published_s + 600,
        }
        either = without(clean("queued", **dated), "file_ids", "top_p", "parallel_tool_calls")
        assert check_lines(either).violations == []
        assert errors(check_lines(either, generation=6)) == {("RE307", "file_ids")}
        assert check_lines(either, generation=8).violations == []
        assert errors(check_lines(either, generation=10)) == {("RE307", "parallel_tool_calls")}
        both = clean("queued", file_ids=[], parallel_tool_calls=True)
        assert check_lines(both).violations == []
        assert [v.field for v in check_lines(both, generation=7).violations] == ["parallel_tool_calls"]
        assert [v.field for v in check_lines(both, generation=10).violations] == ["file_ids"]
