"""`runengine runs` on stores of other policies than the default."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runengine.cli import main
from runengine.core import PERMISSIVE, PRACTICAL
from runengine.embedding import Runtime
from tests.cli.test_runs import CALL, ask, create


def test_every_action_in_a_permissive_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A store that `store init --policy permissive` has made is looked at and moved by that policy's rules."""
    url = f"sqlite:///{tmp_path}/permissive.db"
    assert main(["store", "init", url, "--policy", "permissive"]) == 0
    capsys.readouterr()
    create(capsys, url, "run_1")
    create(capsys, url, "run_2", "t", "--when-busy", "interrupt")
    assert ask(capsys, "modify", url, "run_2", "a=b") == "run_2: modify applied, now queued\n"
    assert "expire refused in queued by past_deadline" in ask(capsys, "expire", url, "run_2", code=1)
    with Runtime(url, policy=PERMISSIVE) as runtime:
        claim = runtime.claim("worker_1")
        assert claim is not None
        runtime.require_action("run_2", [CALL], fence=claim.fence)
    told = ask(capsys, "submit", url, "run_2", "call_1=rain")
    assert told == "run_2: submit_tool_outputs applied, now queued\n"
    assert "run_2" in ask(capsys, "list", url)
    assert json.loads(ask(capsys, "show", url, "run_2", "--format", "json"))["metadata"] == {"a": "b"}
    assert "submit_tool_outputs" in ask(capsys, "history", url, "run_2")
    why = json.loads(ask(capsys, "why", url, "run_2", "--format", "json"))
    assert why["allowed"] == list(PERMISSIVE.allowed("queued"))
    assert why["allowed"] != list(PRACTICAL.allowed("queued"))
    assert ask(capsys, "cancel", url, "run_2") == "run_2: cancel applied, now cancelled\n"
