"""The generated Ruby client, run in Ruby."""

from __future__ import annotations

import pytest

from runengine.core.statuses import Status
from runengine.dialects.documents import DIALECTS
from tests.clients.agreement import (
    RUN_CASES,
    STATUS_CASES,
    alike,
    bare,
    holds_as_declared,
    losses_are_real,
    nulls_of,
    same_run,
)
from tests.clients.cases import CRASHES_ON_NULL, REFUSED, REFUSES_NULL, Case, changed, document
from tests.clients.generated import RUN, Clients, Start

pytestmark = pytest.mark.slow

RUBY = DIALECTS["ruby"]


def limits(put: dict[str, object], generation: int) -> list[str]:
    """The fields that our dialect says the client refuses in a document."""
    return [loss.path for loss in RUBY.from_native(put, generation).losses if loss.kind == "limit"]


@pytest.mark.parametrize(("generation", "status"), STATUS_CASES)
def test_both_ways(ruby: Start, generation: int, status: Status) -> None:
    """A run we write is read by the client and found valid, and what it writes is what our dialect writes: the run.

    In G2 an ended run has a null deadline, which the client refuses and the dialect declares.
    """
    whole = document(status, generation)
    written = RUBY.from_native(whole, generation)
    answer = ruby(generation).ask(written.document)
    if generation == 2 and whole["expires_at"] is None:
        assert limits(whole, generation) == ["expires_at"]
        assert "expires_at cannot be nil" in (answer.error or "")
        return
    assert not written.losses
    assert answer.error is None
    assert answer.valid is True
    alike(answer.wire, RUBY.to_native(written.document))
    same_run(RUBY.to_native(answer.wire), whole)


@pytest.mark.parametrize(("generation", "case"), RUN_CASES)
def test_the_client_does_what_was_measured(ruby: Start, generation: int, case: Case) -> None:
    """The client writes each odd document as the measurement says, or raises."""
    put = held(case.put(generation))
    answer = ruby(generation).ask(put)
    if case.ruby == REFUSED:
        assert "ArgumentError" in (answer.error or "")
    else:
        assert answer.error is None
        assert answer.wire == changed(put, case.ruby)


@pytest.mark.parametrize(("generation", "case"), RUN_CASES)
def test_losses_and_limits_are_the_declared_ones(ruby: Start, generation: int, case: Case) -> None:
    """Of an odd document, what we do not write is told, and what the client does not keep of the rest too."""
    put = held(case.put(generation))
    losses_are_real(RUBY, put, generation)
    answer = ruby(generation).ask(RUBY.from_native(put, generation).document)
    holds_as_declared(RUBY, put, answer, generation)


def held(put: dict[str, object]) -> dict[str, object]:
    """The document with a deadline, without which the client of G2 holds no ended run."""
    return put if put["expires_at"] is not None else put | {"expires_at": put["created_at"]}


@pytest.mark.parametrize(("generation", "name"), nulls_of(RUN))
def test_nulls(ruby: Start, generation: int, name: str) -> None:
    """A null is refused exactly where the dialect says so; where it is held, it stays the same run."""
    whole = held(document("completed", generation)) | {name: None}
    answer = ruby(generation).ask(whole)
    if name in REFUSES_NULL[generation]:
        assert answer.error == f"ArgumentError: {name} cannot be nil"
    else:
        assert answer.error is None
        assert bare(answer.wire) == bare(whole)
    crashes = name in CRASHES_ON_NULL
    assert ("NoMethodError" in str(answer.valid)) == crashes
    assert limits(whole, generation) == [name] * (crashes or name in REFUSES_NULL[generation])


@pytest.mark.parametrize(("generation", "name"), nulls_of(RUN))
def test_missing_keys(ruby: Start, generation: int, name: str) -> None:
    """A key that is missing is written as null where the schema requires it, and left out where it is optional."""
    whole = held(document("completed", generation))
    del whole[name]
    answer = ruby(generation).ask(whole)
    if name in REFUSES_NULL[generation]:
        assert answer.error == f"ArgumentError: {name} cannot be nil"
    else:
        assert answer.wire == (whole if name in ("temperature", "top_p") else whole | {name: None})


@pytest.mark.parametrize("name", ["status", "object"])
def test_the_client_passes_a_null_word(ruby: Start, name: str) -> None:
    """A null status or object is not refused by the enumeration: the key vanishes, and we refuse what is written."""
    answer = ruby(14).ask(document("completed", 14) | {name: None})
    assert answer.error is None
    assert name not in answer.wire


@pytest.mark.parametrize("generation", RUN)
def test_string_keys_lose_the_unions(ruby: Start, generation: int) -> None:
    """Read with string keys, tools match none of their classes and vanish: which is why the client symbolizes."""
    answer = ruby(generation).ask(document("queued", generation), "strings")
    assert answer.error is None
    assert answer.wire["tools"] == []


@pytest.mark.parametrize("generation", RUN)
def test_the_runner_reads_as_the_client_does(generated: Clients, generation: int) -> None:
    """The generated client parses answers with symbolized keys, as the runner of these tests does."""
    client = generated.source("ruby", generation) / "lib" / "run_client" / "api_client.rb"
    assert ":symbolize_names => true" in client.read_text(encoding="utf-8")


def test_no_run_fits_the_client_of_g16(ruby: Start) -> None:
    """From the 3.1 document, whose `nullable` means nothing, the client refuses every run that asks for nothing."""
    answer = ruby(16).ask(document("completed", 16))
    assert answer.error == "ArgumentError: required_action cannot be nil"
