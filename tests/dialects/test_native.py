"""The native form: the round-trip law, and every way of breaking it refused with its path."""

from __future__ import annotations

import json
import pickle
from pathlib import Path as File
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from runengine.core.events import ToolOutput
from runengine.core.generations import GENERATIONS
from runengine.core.parts import FunctionName, JsonSchemaFormat, Part, ResponseFormat, ToolChoice
from runengine.core.records import RunObject
from runengine.core.statuses import STATUSES
from runengine.dialects import decode, encode, read_run, write_run
from runengine.errors import DialectError, PayloadError, UnknownSpelling
from tests.dialects.documents import (
    SAMPLES,
    Path,
    accepted,
    documents,
    dollar,
    full,
    nullable,
    parent,
    places,
    replaced,
)
from tests.strategies import runs

SNAPSHOTS = File(__file__).parents[3] / "shared" / "traces" / "snapshots"

VARIANTS = [pytest.param(False, id="words"), pytest.param(True, id="objects")]
PLACES = [(last, path, spec) for last in (False, True) for path, spec in places(last)]
KEYS = [place for place in PLACES if isinstance(place[1][-1], str)]


OBJECTS_ONLY = {ToolChoice, FunctionName, ResponseFormat, JsonSchemaFormat}


def name_of(value: Any) -> str | None:
    """A case's name: which document, and the place in it."""
    return (
        dollar(value)
        if isinstance(value, tuple)
        else ("objects" if value else "words")
        if value in (True, False)
        else ""
    )


def exact(value: Any) -> str:
    """A text that tells 1 from 1.0 and from true, and null from absent, but not one order of keys from another."""
    return json.dumps(value, sort_keys=True)


def problems_of(document: Any) -> tuple[str, ...]:
    """The problems for which it is refused."""
    with pytest.raises(PayloadError) as caught:
        read_run(document)
    return caught.value.problems


class TestRoundTrip:
    @pytest.mark.parametrize("generation", [g.number for g in GENERATIONS])
    @given(data=st.data())
    def test_every_generation(self, generation: int, data: st.DataObject) -> None:
        """What reads is written back equal: extras, nulls, missing keys and the kind of each number."""
        document = data.draw(documents(generation))
        before = exact(document)
        assert exact(write_run(read_run(document))) == before
        assert exact(document) == before
        assert exact(decode(encode(write_run(read_run(encode(document)))))) == before

    @given(runs())
    def test_runs_made_by_the_engine(self, run: RunObject) -> None:
        """Any run, however made, is read back equal from what was written of it, and written equal again."""
        written = write_run(run)
        assert read_run(written) == run
        assert exact(write_run(read_run(written))) == exact(written)

    @pytest.mark.parametrize("last", VARIANTS)
    def test_every_key(self, last: bool) -> None:
        """A document with every key of every part has nothing absent and nothing extra anywhere."""
        run = read_run(full(last))
        found: list[Part] = [run]
        for part in found:
            assert (part.absent, part.extra) == (frozenset(), {})
            for value in vars(part).values():
                found += [item for item in (value if isinstance(value, tuple) else (value,)) if isinstance(item, Part)]
        of_runs = set(Part.__subclasses__()) - {ToolOutput}  # which only an event has
        assert {type(part) for part in found} == of_runs - (set() if last else OBJECTS_ONLY)
        assert exact(write_run(run)) == exact(full(last))

    @pytest.mark.parametrize("status", STATUSES)
    def test_every_status(self, status: str) -> None:
        """Each status is read as it is spelled."""
        assert read_run({**full(), "status": status}).status == status

    def test_recordings(self) -> None:
        """Every recorded row is written back equal, field for field and type for type."""
        if not SNAPSHOTS.is_dir():
            pytest.skip(f"the recordings are not part of the project; {SNAPSHOTS} is not there")
        rows = [json.loads(line)["data"] for file in sorted(SNAPSHOTS.glob("*.jsonl")) for line in file.open("rb")]
        assert len(rows) == 601
        for row in rows:
            assert exact(write_run(read_run(row))) == exact(row)
            assert exact(write_run(read_run(json.dumps(row)))) == exact(row)


class TestRecord:
    @pytest.mark.parametrize("last", VARIANTS)
    def test_is_what_its_class_makes(self, last: bool) -> None:
        """A record that was read has every attribute of one that was constructed, and behaves like it."""
        run = read_run({**full(last), "seen": 1})
        made = evolve(run)
        assert (run, vars(run)) == (made, vars(made))
        assert pickle.loads(pickle.dumps(run)) == run
        assert repr(run) == repr(made)

    def test_words_and_objects(self) -> None:
        """A tool choice or response format is a str or its class, as the document has it."""
        words, objects = read_run(full()), read_run(full(last=True))
        assert (words.tool_choice, words.response_format) == ("é日", "é日")
        assert isinstance(objects.tool_choice, ToolChoice)
        assert isinstance(objects.response_format, ResponseFormat)

    def test_arrays_are_tuples(self) -> None:
        """Declared arrays are tuples; those inside free objects stay lists."""
        run = read_run(full())
        assert isinstance(run.tools, tuple)
        assert run.file_ids == ("é日", "é日")
        assert run.metadata == {"a": [1, 1.0, None]}

    def test_an_int_stays_an_int_where_a_float_is_declared(self) -> None:
        """Temperature 1 is read and written as 1, temperature 1.0 as 1.0."""
        assert exact(write_run(read_run({**full(), "temperature": 1, "top_p": 1.0}))["temperature"]) == "1"
        assert exact(write_run(read_run({**full(), "temperature": 1, "top_p": 1.0}))["top_p"]) == "1.0"

    def test_free_objects_are_shared_when_read_and_copied_one_level_when_written(self) -> None:
        """As documented: no deep copy on either side."""
        document = full()
        shared: dict[str, Any] = document["metadata"]
        run = read_run(document)
        assert run.metadata is shared
        copied: dict[str, Any] = write_run(run)["metadata"]
        assert copied is not shared
        assert copied["a"] is shared["a"]

    def test_a_field_set_again_is_written_though_it_was_absent(self) -> None:
        """A field is left out only while it is None and named in `absent`."""
        document = full()
        del document["instructions"]
        run = read_run(document)
        assert "instructions" not in write_run(run)
        assert write_run(evolve(run, instructions="hi"))["instructions"] == "hi"
        assert write_run(evolve(run, absent=frozenset()))["instructions"] is None


class TestWrongTypes:
    @pytest.mark.parametrize(("last", "path", "spec"), PLACES, ids=name_of)
    def test_every_place(self, last: bool, path: Path, spec: str) -> None:
        """A value of any kind that may not stand at a place is the one problem found, at its path."""
        wrong = [value for kind, values in SAMPLES.items() if kind not in accepted(spec) for value in values]
        assert wrong
        for value in wrong:
            [problem] = problems_of(replaced(full(last), path, value))
            assert problem.startswith(f"{dollar(path)}: expected ")
            assert ", found " in problem

    @pytest.mark.parametrize(("last", "path", "spec"), KEYS, ids=name_of)
    def test_every_key_missing_or_null(self, last: bool, path: Path, spec: str) -> None:
        """A key that may be null may be missing, and the two are told apart; any other is a problem at its path."""
        null, missing = replaced(full(last), path, None), full(last)
        del parent(missing, path)[path[-1]]
        if nullable(spec):
            assert exact(write_run(read_run(null))) == exact(null)
            assert exact(write_run(read_run(missing))) == exact(missing)
        else:
            [problem] = problems_of(missing)
            assert problem.startswith(f"{dollar(path)}: missing, expected ")

    def test_all_problems_at_once(self) -> None:
        """Every problem of a document is reported, in the order of its places, each once."""
        document = full(last=True)
        paths = []
        for path, spec in places(last=True):
            if accepted(spec) & {"str", "int", "bool", "float"} and "object" not in accepted(spec):
                parent(document, path)[path[-1]] = []
                paths.append(dollar(path))
        problems = problems_of(document)
        assert len(paths) == 50
        assert [problem.split(":")[0] for problem in problems] == paths

    @pytest.mark.parametrize(
        ("path", "value", "problem"),
        [
            (("tools", 1, "function", "name"), 5, "$.tools[1].function.name: expected str, found int 5"),
            (("created_at",), "17", "$.created_at: expected int, found str '17'"),
            (("created_at",), 17.0, "$.created_at: expected int, found float 17.0"),
            (("created_at",), True, "$.created_at: expected int, found bool True"),
            (("created_at",), {}, "$.created_at: expected int, found object"),
            (("started_at",), "17", "$.started_at: expected int or null, found str '17'"),
            (("id",), [], "$.id: expected str, found array"),
            (("created_at",), "x" * 99, f"$.created_at: expected int, found str '{'x' * 60}'…"),
            (("model",), 10**100, "$.model: expected str, found int"),
            (("model",), b"m", "$.model: expected str, found bytes"),
            (("top_p",), "1", "$.top_p: expected float or int or null, found str '1'"),
            (("tool_choice",), [], "$.tool_choice: expected str or object or null, found array"),
            (("metadata",), [], "$.metadata: expected object or null, found array"),
            (("tools",), {}, "$.tools: expected array, found object"),
            (("file_ids", 1), None, "$.file_ids[1]: expected str, found null"),
        ],
    )
    def test_wording(self, path: Path, value: Any, problem: str) -> None:
        """A problem says where, what was expected and what was found, shortly."""
        assert problems_of(replaced(full(), path, value)) == (problem,)

    @pytest.mark.parametrize("root", [None, True, 5, 1.5, [], [{}]])
    def test_the_root(self, root: Any) -> None:
        """A document that is no object is refused at its root, decoded or not."""
        [problem] = problems_of(root)
        assert problem.startswith("$: expected object, found ")
        assert problems_of(encode(root)) == (problem,)


class TestStatus:
    @pytest.mark.parametrize("word", ["canceled", "Queued", "", "complete", "x" * 1000])
    def test_unknown(self, word: str) -> None:
        """A status that is none of the nine is an unknown spelling, with what is known."""
        with pytest.raises(UnknownSpelling) as caught:
            read_run({**full(), "status": word})
        error = caught.value
        assert (error.dialect, error.field, error.value, error.known) == ("native", "$.status", word, STATUSES)

    def test_unknown_among_other_problems(self) -> None:
        """With other problems it is one of them."""
        status, model = problems_of({**full(), "status": "canceled", "model": 5})
        assert status.startswith("$.status: expected one of queued, ")
        assert status.endswith(", found str 'canceled'")
        assert model == "$.model: expected str, found int 5"


class TestEdges:
    def test_extra_may_not_hold_a_declared_key(self) -> None:
        """Writing refuses a record whose extra would overwrite a field."""
        with pytest.raises(DialectError, match=r"RunObject\.extra holds declared keys: model"):
            write_run(evolve(read_run(full()), extra={"seen": 1, "model": "x"}))

    def test_text_that_is_no_json(self) -> None:
        """A broken text is a problem of the payload, with its byte."""
        assert problems_of(b'{"id": }') == ("$: not JSON: invalid character (byte 7)",)

    def test_deep_extras(self) -> None:
        """Nesting in free objects costs no recursion: a deep record is read and written."""
        deep: Any = 1
        for _ in range(100_000):
            deep = [deep]
        written = write_run(read_run({**full(), "deep": deep}))
        assert written["deep"] is deep
