"""The generated TypeScript client, run in Node."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runengine.core.fields import FIELDS
from runengine.core.statuses import Status
from runengine.dialects.documents import DIALECTS
from tests.clients.agreement import (
    FORMS,
    RUN_CASES,
    STATUS_CASES,
    alike,
    bare,
    holds_as_declared,
    losses_are_real,
    nulls_of,
    same_run,
)
from tests.clients.cases import Case, changed, document
from tests.clients.generated import RUN, Start

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("generation", "status"), STATUS_CASES)
@pytest.mark.parametrize("form", FORMS)
def test_the_client_reads_what_we_write(typescript: Start, form: str, generation: int, status: Status) -> None:
    """A run we write in either form is read by the client, and what it writes back is the same run to us."""
    whole = document(status, generation)
    written = DIALECTS[form].from_native(whole, generation)
    assert not written.losses
    how = "instance" if form == "typescript-instance" else "wire"
    answer = typescript(generation).ask(written.document, how)
    assert answer.error is None
    alike(answer.wire, whole)
    same_run(DIALECTS["typescript"].to_native(answer.wire), whole)


@pytest.mark.parametrize(("generation", "status"), STATUS_CASES)
@pytest.mark.parametrize("form", FORMS)
def test_we_read_what_the_client_writes(typescript: Start, form: str, generation: int, status: Status) -> None:
    """What the client writes of the API's own JSON, in either form, is what our dialect writes, and the same run."""
    whole = document(status, generation)
    answer = typescript(generation).ask(whole)
    theirs = answer.instance if form == "typescript-instance" else answer.wire
    ours = DIALECTS[form].from_native(whole, generation).document
    assert set(theirs) == set(ours)
    alike(DIALECTS[form].to_native(theirs), DIALECTS[form].to_native(ours))
    same_run(DIALECTS[form].to_native(theirs), whole)


@pytest.mark.parametrize(("generation", "case"), RUN_CASES)
def test_the_client_does_what_was_measured(typescript: Start, generation: int, case: Case) -> None:
    """The client writes each odd document as the measurement says."""
    put = case.put(generation)
    answer = typescript(generation).ask(put)
    assert answer.error is None
    assert answer.wire == changed(put, case.typescript)


@pytest.mark.parametrize(("generation", "case"), RUN_CASES)
@pytest.mark.parametrize("form", FORMS)
def test_losses_and_limits_are_the_declared_ones(typescript: Start, form: str, generation: int, case: Case) -> None:
    """Of an odd document, what we do not write is told, and what the client does not keep of the rest too."""
    put = case.put(generation)
    losses_are_real(DIALECTS[form], put, generation)
    how = "instance" if form == "typescript-instance" else "wire"
    answer = typescript(generation).ask(DIALECTS[form].from_native(put, generation).document, how)
    holds_as_declared(DIALECTS[form], put, answer, generation)


@pytest.mark.parametrize(("generation", "name"), nulls_of(RUN))
def test_nulls_stay_nulls(typescript: Start, generation: int, name: str) -> None:
    """A field that may be null is written as null where it was null, and left out where its key was."""
    whole = document("completed", generation)
    client = typescript(generation)
    assert client.ask(whole | {name: None}).wire == whole | {name: None}
    without = {key: value for key, value in whole.items() if key != name}
    assert client.ask(without).wire == without


@pytest.mark.parametrize("missing", [{"tools": None}, {}], ids=["null", "missing"])
def test_tools_must_be_there(typescript: Start, missing: dict[str, Any]) -> None:
    """The one thing the client raises on is a run without an array of tools."""
    whole = document("completed", 14)
    del whole["tools"]
    assert "TypeError" in (typescript(14).ask(whole | missing).error or "")


@pytest.mark.parametrize("name", [name for name, f in FIELDS.items() if f.optional])
def test_nulls_of_optional_fields_vanish_in_g16(typescript: Start, name: str) -> None:
    """From the 3.1 document, whose `nullable` means nothing, an optional null is left out: still the same run."""
    whole = document("completed", 16) | {name: None}
    answer = typescript(16).ask(whole)
    assert name not in answer.wire
    assert bare(answer.wire) == bare(whole)


def test_floats_that_are_whole_become_integers(typescript: Start) -> None:
    """JavaScript has one kind of number, so 1.0 is written as 1: an equal number to us."""
    text = json.dumps(typescript(14).ask(document("completed", 14, temperature=1.0)).wire["temperature"])
    assert text == "1"
