"""The program of the how-to *monitor a gateway*, before an application that breaks the rules."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.testclient import TestClient

from runengine.validation import Violation
from runengine.validation.monitor import Monitor
from tests.validation.checking import clean

PROGRAM = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "monitor" / "gateway.py"


@pytest.fixture(scope="module")
def gateway() -> ModuleType:
    """The program."""
    spec = importlib.util.spec_from_file_location("gateway", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gateway"] = module
    spec.loader.exec_module(module)
    return module


class Served:
    """An application with the middleware: what it is to answer, what the monitor found."""

    def __init__(self, gateway: ModuleType) -> None:
        self.monitor = Monitor(name="gateway")
        self.found: list[Violation] = []
        self.answers: list[Any] = []
        app = FastAPI()
        app.add_middleware(gateway.WatchRuns, monitor=self.monitor, tell=self.found.append)
        app.add_api_route("/{path:path}", self._answer, methods=["GET", "POST"], response_model=None)
        self.client = TestClient(app)

    def _answer(self, path: str) -> Any:
        answer = self.answers.pop(0)
        return answer if isinstance(answer, (JSONResponse, StreamingResponse)) else JSONResponse(answer)

    def get(self, answer: Any, path: str = "/v1/threads/thread_1/runs/run_1") -> Any:
        """What a client gets."""
        self.answers.append(answer)
        return self.client.get(path)

    @property
    def said(self) -> list[tuple[str, str | None]]:
        """Code and run of every violation."""
        return [(v.code, v.run_id) for v in self.found]


@pytest.fixture
def served(gateway: ModuleType) -> Served:
    """Serving."""
    return Served(gateway)


def events(*seen: tuple[str, Any]) -> Iterator[bytes]:
    """An event stream, in pieces that end anywhere."""
    text = b"".join(
        f"event: {name}\ndata: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
        for name, data in seen
    )
    yield from (text[at : at + 100] for at in range(0, len(text), 100))


def test_polls(served: Served) -> None:
    """A run that comes back after its end is told of, at the second answer, which goes out as it was."""
    served.get(clean("completed"))
    assert served.said == []
    assert served.get(clean("in_progress")).json() == clean("in_progress")
    assert served.said == [("RE103", "run_1")]


def test_a_create(served: Served) -> None:
    """The answer to a create has to be queued."""
    served.answers.append(clean("in_progress"))
    served.client.post("/v1/threads/thread_1/runs", json={})
    assert served.said == [("RE104", "run_1")]


def test_other_answers(served: Served) -> None:
    """What is about no run, what is no JSON and what was refused passes by."""
    served.get({"object": "list", "data": []}, "/v1/models")
    served.get(StreamingResponse(iter([b"no JSON"]), media_type="text/plain"))
    served.get(JSONResponse({"error": {"message": "No run found with id 'run_1'."}}, status_code=404))
    assert served.said == []


def test_streams(served: Served) -> None:
    """A whole stream is clean; one that breaks off is told of with its run."""
    life = [(f"thread.run.{status}", clean(status)) for status in ("queued", "in_progress", "completed")]
    served.get(StreamingResponse(events(*life, ("done", "[DONE]")), media_type="text/event-stream"))
    assert served.said == []
    other = clean("in_progress", id="run_2", thread_id="thread_2")
    served.get(StreamingResponse(events(("thread.run.in_progress", other)), media_type="text/event-stream"))
    assert served.said == [("RE404", "run_2")]


def test_stop_and_go_on(served: Served, gateway: ModuleType, tmp_path: Path) -> None:
    """What is remembered outlives the gateway; a snapshot that is damaged is left, and it begins anew."""
    served.get(clean("completed"))
    gateway.keep(served.monitor, tmp_path / "runs.monitor")
    again = gateway.restored(tmp_path / "runs.monitor")
    assert [v.code for v in again.observe(clean("in_progress"))] == ["RE103"]
    (tmp_path / "runs.monitor").write_bytes(b"{}")
    assert len(gateway.restored(tmp_path / "runs.monitor")) == 0
    assert len(gateway.restored(tmp_path / "nothing")) == 0
