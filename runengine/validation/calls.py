"""Tool calls: what was asked for, what was submitted, and what the steps show. Part of RE505.

Memory: of the calls asked for, those of the runs that wait; of outputs the `forget_after` submitted last.
Source: FACTS §3 (all outputs in a single request), §4; the table `TOOL_CALL` of `runengine.core.companions`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from runengine.core.statuses import REQUIRES_ACTION
from runengine.validation.findings import Finding
from runengine.validation.observations import Submitted
from runengine.validation.rules.companions import calls_of

__all__ = ["Calls"]


class Calls:
    """What is known of the calls of one scope.

    Args:
        forget_after: How many outputs are remembered.

    Example:
        >>> calls = Calls(9)
        >>> list(calls.submitted(Submitted(line=1, run_id="run_1", outputs=(("call_1", "12"),))))
        []
        >>> twice = calls.submitted(Submitted(line=2, run_id="run_1", outputs=(("call_1", "13"),)))
        >>> [finding.message for finding in twice]
        ['call_1 is answered a second time, and otherwise']
    """

    def __init__(self, forget_after: int) -> None:
        self._forget_after = forget_after
        self._asked: dict[str, list[str]] = {}
        self._answers: OrderedDict[str, str] = OrderedDict()

    def clear(self) -> None:
        """Begin a new scope."""
        self._asked.clear()
        self._answers.clear()

    def forget(self, run_id: str) -> None:
        """Forget what a run asked for."""
        self._asked.pop(run_id, None)

    def kept(self) -> list[Any]:
        """What is remembered, as plain JSON; `take` reads it."""
        return [list(self._asked.items()), list(self._answers.items())]

    def take(self, kept: list[Any]) -> None:
        """Remember what `kept` wrote."""
        asked, answers = kept
        self._asked.update(asked)
        self._answers.update(answers)

    def ask(self, run_id: str, status: str, record: dict[str, Any]) -> None:
        """Take a run's snapshot: while it requires action, it says what is asked for."""
        if status != REQUIRES_ACTION:
            self._asked.pop(run_id, None)
            return
        action = record.get("required_action")
        outputs = action.get("submit_tool_outputs") if isinstance(action, dict) else None
        calls = outputs.get("tool_calls") if isinstance(outputs, dict) else None
        ids = [call.get("id") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
        if ids and all(isinstance(each, str) for each in ids):
            self._asked[run_id] = [str(each) for each in ids]
        else:
            self._asked.pop(run_id, None)

    def changed(self, known: dict[str, str | None], record: dict[str, Any]) -> Iterator[Finding]:
        """What a step shows of its calls, against what it showed before."""
        for call_id, output in calls_of(record).items():
            was = known.get(call_id)
            if was is not None and output != was:
                message = f"the output of {call_id[:80]} is not what it was"
                yield Finding("RE505", "step_details", was[:80], message, found=output)

    def shown(self, known: dict[str, str | None], record: dict[str, Any]) -> Iterator[Finding]:
        """What a step shows of its calls, against what was submitted; and what it shows is remembered in `known`."""
        calls = calls_of(record)
        for call_id, output in calls.items():
            sent = self._answers.get(call_id)
            if output is None and record.get("status") == "completed":
                message = f"the step is completed, and its call {call_id[:80]} has no output"
                yield Finding("RE505", "step_details", "an output for every call", message, found=call_id)
            elif output is not None and sent is not None and sent != output and known.get(call_id) is None:
                message = f"the output of {call_id[:80]} is not the one that was submitted"
                yield Finding("RE505", "step_details", sent[:80], message, found=output)
        known.update((call_id, output) for call_id, output in calls.items() if output is not None)

    def submitted(self, item: Submitted) -> Iterator[Finding]:
        """Take tool outputs that were sent, and taken."""
        for call_id, output in item.outputs:
            if call_id is None or output is None:
                continue
            was = self._answers.setdefault(call_id, output)
            if was != output:
                message = f"{call_id[:80]} is answered a second time, and otherwise"
                yield Finding("RE505", "tool_outputs", was[:80], message, found=output)
            while len(self._answers) > max(self._forget_after, 1):
                self._answers.popitem(last=False)
        asked = self._asked.get(item.run_id or "")
        if asked is None:
            return
        given = {call_id for call_id, _ in item.outputs if call_id is not None}
        expected = f"one output for each of {', '.join(asked)}"[:200]
        for call_id in sorted(given.difference(asked)):
            yield Finding("RE505", "tool_outputs", expected, f"{call_id[:80]} was not asked for", found=call_id)
        for call_id in asked:
            if call_id not in given:
                message = f"the outputs were taken without that of {call_id[:80]}"
                yield Finding("RE505", "tool_outputs", expected, message, found=None)
