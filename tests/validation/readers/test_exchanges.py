"""Exchanges: what is asked for is told from method and path, and what an answer shows from its body and its headers."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.validation.catalogue.examples import CREATED, record
from runengine.validation.observations import (
    Companion,
    Item,
    Observation,
    Passed,
    Refusal,
    StreamEnd,
    Submitted,
    Unreadable,
)
from runengine.validation.readers import exchanges
from runengine.validation.readers.exchanges import Exchange, call_of, first_values, items_of_exchange
from tests.validation.checking import check_bytes
from tests.validation.readers.taped import FORMS, HOST, LIFE, RUNS, Call, as_rows, http_date, in_stream, life

RUN = json.dumps(record("queued")).encode()
ERROR = json.dumps({"error": {"message": "Cannot cancel run with status 'completed'."}}).encode()


def shown(path: str, body: bytes = RUN, *, method: str = "GET", status: int = 200, **more: Any) -> list[Item]:
    """What an exchange shows that stands in line 7."""
    return list(
        items_of_exchange(Exchange(line=7, method=method, url=HOST + path, http_status=status, body=body, **more))
    )


class TestCalls:
    """What a request asks for."""

    @pytest.mark.parametrize(
        ("method", "path", "kind"),
        [
            ("POST", "/v1/threads/runs", "create"),
            ("POST", "/v1/threads/thread_1/runs", "create"),
            ("GET", "/v1/threads/thread_1/runs?limit=2", "list"),
            ("GET", "/v1/threads/thread_1/runs/run_1", "poll"),
            ("POST", "/v1/threads/thread_1/runs/run_1", "modify"),
            ("POST", "/openai/threads/thread_1/runs/run_1/cancel?api-version=2024-05-01-preview", "cancel"),
            ("POST", "/api/projects/p/threads/thread_1/runs/run_1/submit_tool_outputs", "submit"),
            ("GET", "/v1/threads/thread_1/runs/run_1/steps", "steps"),
            ("GET", "/v1/threads/thread_1/runs/run_1/steps/step_1", "steps"),
            ("POST", "/v1/threads/thread_1/messages", "message"),
            ("GET", "/v1/threads/thread_1/messages", "messages"),
            ("POST", "/v1/threads/thread_1/messages/msg_1", "messages"),
            ("POST", "/v1/threads", "thread"),
            ("DELETE", "/v1/threads/thread_1", "thread"),
            ("GET", "/v1/threads/runs", None),
            ("DELETE", "/v1/threads/thread_1/runs/run_1", None),
            ("POST", "/v1/threads/thread_1/runs/run_1/steps", None),
            ("POST", "/v1/threads/thread_1/runs/run_1/cancel/again", None),
            ("POST", "/v1/chat/completions", None),
        ],
    )
    def test_kind(self, method: str, path: str, kind: str | None) -> None:
        """Method and path tell the call, whatever stands before `/threads`."""
        call = call_of(method, HOST + path)
        assert call.kind == kind
        if kind in ("poll", "modify", "cancel", "submit", "steps"):
            assert (call.thread_id, call.run_id) == ("thread_1", "run_1")

    @given(st.text(), st.text())
    def test_any(self, method: str, url: str) -> None:
        """Any method and any address has an answer."""
        assert call_of(method, url).kind in {None, *exchanges._CALLS, "thread", "messages"}

    def test_ids_made_unreadable(self) -> None:
        """An id that a recorder wrote over is none."""
        call = call_of("POST", f"{HOST}/threads/thread_1/runs/Sanitized/submit_tool_outputs")
        assert (call.kind, call.thread_id, call.run_id) == ("submit", "thread_1", None)


class TestAnswers:
    """What an answer shows."""

    def test_created(self) -> None:
        """Only the answer to a create shows the run being created; its Date is when it was seen."""
        dated = {"date": http_date(CREATED)}
        (made,), (polled,) = shown(RUNS, method="POST", headers=dated), shown(f"{RUNS}/run_1", headers=dated)
        assert isinstance(made, Observation)
        assert isinstance(polled, Observation)
        assert (made.created, made.observed_s, made.line, made.event) == (True, float(CREATED), 7, None)
        assert made.envelope == {"kind": "create", "http_date": http_date(CREATED)}
        assert not polled.created
        assert polled.source == "snapshot"

    @pytest.mark.parametrize("date", [{}, {"date": "REDACTED"}])
    def test_time_of_the_recording(self, date: dict[str, str]) -> None:
        """Where there is no Date to read, the recording's own time is taken."""
        (item,) = shown(f"{RUNS}/run_1", headers=date, observed_s=5.5)
        assert isinstance(item, Observation)
        assert item.observed_s == 5.5

    def test_stream(self) -> None:
        """Events of a stream have no time, since its Date is its start, and stand at the lines of the body."""
        body = in_stream()[0].body
        items = shown(RUNS, body, method="POST", headers={"date": http_date(CREATED)}, body_lines=range(100, 200))
        *runs, end = items
        assert end == StreamEnd(line=100 + body.count(b"\n") - 3, done=True)
        assert [(i.line, i.observed_s, i.source, i.created) for i in runs if isinstance(i, Observation)] == [
            (line, None, "stream", False) for line in (100, 103, 106, 109)
        ]
        assert all(item.line == 7 for item in shown(RUNS, body, method="POST"))

    def test_list_and_companions(self) -> None:
        """A list shows its runs; a message, a step and a thread are companions, with the time of the answer."""
        listed = json.dumps({"object": "list", "data": [record("queued")], "first_id": "run_1"}).encode()
        (run,) = shown(RUNS, listed)
        assert isinstance(run, Observation)
        assert run.envelope == {"kind": "list", "object": "list"}
        for kind in ("thread.message", "thread.run.step", "thread"):
            body = json.dumps({"object": "list", "data": [{"id": "x", "object": kind}]}).encode()
            (item,) = shown("/v1/threads/thread_1/messages", body, headers={"date": http_date(CREATED)})
            assert isinstance(item, Companion)
            assert (item.what, item.observed_s, item.line) == (kind, float(CREATED), 7)

    def test_refusal(self) -> None:
        """A refused call is told with the call, its ids and the answer's words."""
        (item,) = shown(f"{RUNS}/run_1/cancel", ERROR, method="POST", status=400, headers={"date": http_date(CREATED)})
        assert item == Refusal(
            line=7,
            call="cancel",
            message="Cannot cancel run with status 'completed'.",
            http_status=400,
            run_id="run_1",
            thread_id="thread_1",
            observed_s=float(CREATED),
        )

    @pytest.mark.parametrize(
        ("path", "status", "body"),
        [
            (f"{RUNS}/run_1/cancel", 500, ERROR),
            (f"{RUNS}/run_1/cancel", 302, b""),
            (f"{RUNS}/run_1/cancel", 400, b"<html>"),
            (f"{RUNS}/run_1/cancel", 400, b'{"error": "no"}'),
            ("/v1/threads/thread_1", 404, ERROR),
            ("/v1/assistants", 400, ERROR),
            ("/v1/assistants", 200, b'{"object": "assistant"}'),
            ("/v1/traces", 200, b'{"names": ["thread.run"]}'),
            ("/v1/traces", 200, b"thread.run"),
            (RUNS, 200, b""),
            (RUNS, 200, b"REDACTED"),
            (RUNS, 200, b'"Sanitized"'),
            (RUNS, 200, b"<FILTERED>"),
        ],
    )
    def test_passed(self, path: str, status: int, body: bytes) -> None:
        """What tells of no run is passed over, and counted: it is no mistake of the recording's."""
        (item,) = shown(path, body, method="POST", status=status)
        assert isinstance(item, Passed)

    @pytest.mark.parametrize("body", [b"nonsense", b"[1]", b'{"id": "r"', b"{}", b"\xff", b"17"])
    def test_unreadable(self, body: bytes) -> None:
        """A good answer to a call about a run that shows no run is said."""
        (item,) = shown(RUNS, body, method="POST")
        assert isinstance(item, Unreadable)
        assert item.line == 7

    def test_unknown_call(self) -> None:
        """A run is taken as one from whatever path it came."""
        (item,) = shown("/runs/latest")
        assert isinstance(item, Observation)
        assert item.envelope == {}

    @pytest.mark.parametrize("path", [f"{RUNS}/run_1/submit_tool_outputs", f"{RUNS}/Sanitized/submit_tool_outputs"])
    def test_submitted(self, path: str) -> None:
        """Accepted outputs come before the answer, of the run in the path, or in the answer where the path has none."""
        sent = b'{"tool_outputs": [{"tool_call_id": "call_1", "output": "1"}, {"output": 2}, 3]}'
        before, after = shown(path, method="POST", request=sent)
        pairs = (("call_1", "1"), (None, None), (None, None))
        assert before == Submitted(line=7, run_id="run_1", outputs=pairs)
        assert isinstance(after, Observation)
        other = json.dumps(record("queued", id="run_2")).encode()
        before = shown(path, other, method="POST", request=sent)[0]
        assert isinstance(before, Submitted)
        assert before.run_id == ("run_2" if "Sanitized" in path else "run_1")
        assert len(shown(path, ERROR, method="POST", request=sent, status=400)) == 1
        assert len(shown(path, method="POST", request=b"REDACTED")) == 1


class TestPacked:
    """Bodies that are packed."""

    @pytest.mark.parametrize(
        ("packing", "packed"), [("gzip", gzip.compress(RUN)), ("deflate", zlib.compress(RUN)), ("gzip", RUN)]
    )
    def test_unpacked(self, packing: str, packed: bytes) -> None:
        """A packed body is unpacked, and one that the recorder had unpacked already is taken as it is."""
        (item,) = shown(RUNS, packed, headers={"content-encoding": packing})
        assert isinstance(item, Observation)
        assert item.record == record("queued")

    @pytest.mark.parametrize("body", [b"\x1f\x8bnonsense", gzip.compress(RUN)[:-9], b"\x80nonsense"])
    def test_damaged(self, body: bytes) -> None:
        """One that cannot be unpacked is unreadable at its line."""
        (item,) = shown(RUNS, body, headers={"content-encoding": "gzip"})
        assert isinstance(item, Unreadable)
        assert item.line == 7

    def test_bomb(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that becomes larger than a body may be is unreadable."""
        monkeypatch.setattr(exchanges, "BODY_BYTES_MAX", 1_000)
        (item,) = shown(RUNS, gzip.compress(b"{" + b" " * 1_000_000), headers={"content-encoding": "gzip"})
        assert isinstance(item, Unreadable)
        (item,) = shown(RUNS, b"{" + b" " * 1_000)
        assert isinstance(item, Unreadable)

    def test_ratio(self) -> None:
        """One that becomes far larger than bodies do is unreadable, and not unpacked to its end."""
        bomb = gzip.compress(RUN[:-1] + b" " * 8_000_000 + b"}")
        (item,) = shown(RUNS, bomb, headers={"content-encoding": "gzip"})
        assert isinstance(item, Unreadable)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 600) | st.text(max_size=9),
    lambda s: st.lists(s) | st.dictionaries(st.text(), s),
)


@given(
    st.sampled_from(
        [RUNS, f"{RUNS}/run_1/submit_tool_outputs", f"{RUNS}/run_1", "/threads/t/messages", "/x", "//[", ""]
    ),
    st.sampled_from([200, 204, 301, 400, 429, 500]),
    st.binary(max_size=40) | _JSON.map(lambda value: json.dumps(value).encode()) | st.just(gzip.compress(RUN)),
    st.dictionaries(
        st.sampled_from(["date", "content-type", "content-encoding"]),
        st.sampled_from(["gzip", "br", "x,", "text/event-stream"]),
    ),
)
def test_any_exchange_has_items(path: str, status: int, body: bytes, headers: dict[str, str]) -> None:
    """Whatever an answer says, it comes to items at the line of the exchange, and never to an error."""
    items = shown(path, body, method="POST", status=status, headers=headers, request=body)
    assert {item.line for item in items} <= {7}


@given(_JSON | st.lists(st.tuples(st.text(), st.text() | st.lists(st.text()))))
def test_any_headers(headers: object) -> None:
    """Whatever stands for headers, names and values of them are text."""
    assert all(isinstance(text, str) for pair in first_values(headers).items() for text in pair)


_FAULTS: list[dict[str, Any]] = [
    {},
    {"expires_at": None},
    {"thread_id": "thread_2"},
    {"status": "running"},
    {"failed_at": CREATED},
]


def _told(data: bytes, name: str) -> list[tuple[Any, ...]]:
    found = check_bytes(data, path=name, skim=False)
    return [(v.code, v.run_id, v.field, str(v.found), v.message) for v in found.violations]


@settings(max_examples=25)
@given(st.data())
def test_every_form_tells_the_same(data: st.DataObject) -> None:
    """The same calls give the same findings in every form, some with faults, some packed, some put into lists."""
    lives = [list(life(id=f"run_{n}", thread_id=f"thread_{n}")) for n in range(data.draw(st.integers(1, 3)))]
    calls: list[Call] = []
    while any(lives):
        call = data.draw(st.sampled_from([one for one in lives if one])).pop(0)
        if call.status == 200:
            call = call._replace(answer={**call.answer, **data.draw(st.sampled_from(_FAULTS))})
        last = calls[-1] if calls else None
        if call.kind == "poll" and last is not None and last.kind in ("poll", "list") and data.draw(st.booleans()):
            before = last.answer["data"] if last.kind == "list" else [last.answer]
            listed = {"object": "list", "data": [*before, call.answer], "has_more": False}
            calls[-1] = call._replace(kind="list", path=RUNS, answer=listed)
        else:
            calls.append(call)
    expected = _told(as_rows(calls), "rows.jsonl")
    packed = [call._replace(packed=data.draw(st.booleans())) for call in calls]
    for name, form in FORMS.items():
        assert _told(form(packed), name) == expected


@pytest.mark.parametrize("name", FORMS)
def test_clean(name: str) -> None:
    """A clean life is clean in every form, polled and streamed, and every call of it is seen."""
    polled, streamed = (check_bytes(FORMS[name](calls), path=name) for calls in (LIFE, in_stream()))
    assert polled.violations == streamed.violations == []
    assert (polled.summary.observations, streamed.summary.observations) == (5, 7)
