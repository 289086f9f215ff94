"""The programs of the how-to *embed in an orchestrator*, run as they stand."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from runengine.embedding import Runtime

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "embed"


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # FastAPI looks the annotations of a route up there
    spec.loader.exec_module(module)
    return module


def test_the_plain_script_tells_a_whole_life(tmp_path: Path) -> None:
    """The script drives a run through a tool round on SQLite, and prints its history."""
    command = [sys.executable, str(EXAMPLES / "plain_script.py"), f"sqlite:///{tmp_path / 'runs.db'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    events = [line.split()[1] for line in done.stdout.splitlines() if "->" in line]
    assert events == ["create", "start", "require_action", "submit_tool_outputs", "start", "complete"]
    assert "the tool said 'rain'" in done.stdout


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The application on a store of its own, started."""
    monkeypatch.setenv("RUNS", f"sqlite:///{tmp_path / 'runs.db'}")
    with TestClient(_module("fastapi_app").app) as started:
        yield started


def _polled(client: TestClient, path: str, status: str) -> dict[str, Any]:
    run: dict[str, Any] = {}
    for _ in range(2000):
        run = client.get(path).json()
        if run["status"] == status:
            return run
    raise AssertionError(f"never {status}: {run}")


def test_the_application_serves_a_tool_round(client: TestClient) -> None:
    """Over HTTP a run is created, asks for a tool, takes the output, and completes."""
    run = client.post("/threads/thread_1/runs", json={"assistant_id": "asst_1"}).json()
    path = f"/threads/thread_1/runs/{run['id']}"
    waiting = _polled(client, path, "requires_action")
    assert waiting["required_action"]["submit_tool_outputs"]["tool_calls"][0]["id"] == "call_1"
    part = client.post(f"{path}/submit_tool_outputs", json={"tool_outputs": []})
    assert part.status_code == 400
    assert "Expected tool outputs for call_ids ['call_1'], got []" in part.json()["detail"]
    given = {"tool_outputs": [{"tool_call_id": "call_1", "output": "rain"}]}
    assert client.post(f"{path}/submit_tool_outputs", json=given).json()["status"] == "queued"
    assert _polled(client, path, "completed")["completed_at"] is not None


@pytest.mark.parametrize(
    ("thread_id", "assistant_id", "said"),
    [("thread_1", "", "assistant_id must be text"), ("a%00b", "asst_1", "thread_id must be text without zero")],
)
def test_the_application_refuses_values(client: TestClient, thread_id: str, assistant_id: str, said: str) -> None:
    """What no run takes is a 400 that says why."""
    refused = client.post(f"/threads/{thread_id}/runs", json={"assistant_id": assistant_id})
    assert (refused.status_code, said in refused.json()["detail"]) == (400, True)


def test_the_application_shows_a_create_that_waits(client: TestClient, tmp_path: Path) -> None:
    """It is no refusal: it has its id, and no run yet."""
    with Runtime(f"sqlite:///{tmp_path / 'other.db'}") as runtime:
        runtime.create("thread_1", "asst_1", "gpt-4o")
        waiting = runtime.create("thread_1", "asst_1", "gpt-4o", run_id="run_2", thread="enqueue")
    shown = sys.modules["fastapi_app"].shown(waiting)
    assert (shown["id"], shown["status"], shown["detail"]) == ("run_2", None, waiting.message)


def test_the_application_words_refusals_as_the_api_does(client: TestClient) -> None:
    """A busy thread is a 400 in the API's words; a retried create gets the first run; an unknown run is a 404."""
    body = {"assistant_id": "asst_1"}
    run = client.post("/threads/thread_1/runs", json=body).json()
    busy = client.post("/threads/thread_1/runs", json=body)
    assert busy.status_code == 400
    assert busy.json()["detail"] == f"Thread thread_1 already has an active run {run['id']}."
    again = client.post("/threads/thread_1/runs", json=body, headers={"x-stainless-retry-count": "1"})
    assert again.json()["id"] == run["id"]
    assert client.get("/threads/thread_1/runs/run_0").status_code == 404
    assert client.post(f"/threads/thread_1/runs/{run['id']}/cancel").json()["status"] in ("cancelling", "cancelled")
