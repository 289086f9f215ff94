"""Tool calls: what was asked for, what was submitted, and what the steps show. Part of RE505.

An id of a call is its run's: another run may give the same one, and so may a later round of the same run.

Memory: of the calls asked for, those of the runs that wait; of outputs about the `forget_after` submitted last.
Source: FACTS §3 (all outputs in a single request), §4; the table `TOOL_CALL` of `runengine.core.companions`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from runengine.core.statuses import REQUIRES_ACTION
from runengine.validation.findings import Finding
from runengine.validation.observations import Submitted
from runengine.validation.rules.companions import Call, calls_of

__all__ = ["Calls"]


class Calls:
    """What is known of the calls of one scope.

    Args:
        forget_after: How many outputs are remembered, all of one submission at least.

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
        self._answers: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._count = 0

    def clear(self) -> None:
        """Begin a new scope."""
        self._asked.clear()
        self._answers.clear()
        self._count = 0

    def forget(self, run_id: str) -> None:
        """Forget what a run asked for, and what it was answered."""
        self._asked.pop(run_id, None)
        self._drop(run_id)

    def kept(self) -> Iterator[tuple[str, Any]]:
        """What is remembered, a part of plain JSON for each run and each of the two; `take` reads them."""
        yield from (("calls", [run_id, asked, None]) for run_id, asked in self._asked.items())
        yield from (("calls", [run_id, None, answers]) for run_id, answers in self._answers.items())

    def take(self, kept: list[Any]) -> None:
        """Remember a part that `kept` wrote."""
        run_id, asked, answers = kept
        if asked is not None:
            self._asked[run_id] = asked
        if answers is not None:
            self._answers[run_id] = answers
            self._count += len(answers)

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
            if self._asked.get(run_id) != ids:
                self._drop(run_id)  # another round, which may use the same ids
            self._asked[run_id] = [str(each) for each in ids]
        else:
            self._asked.pop(run_id, None)

    def changed(self, known: dict[str, Call], record: dict[str, Any], ended: bool) -> Iterator[Finding]:
        """What a step shows of its calls, against what it showed before.

        Args:
            known: That.
            record: The step.
            ended: It had ended, so that no piece of the arguments was missing.
        """
        for call_id, call in calls_of(record).items():
            was = known.get(call_id)
            if was is None:
                continue
            for name in ("output", "name", "arguments"):
                before, now = getattr(was, name), getattr(call, name)
                if before is None or before == now or (name != "output" and now is None):
                    continue
                if name == "output" or ended:
                    message = f"the {name} of {call_id[:80]} is not what it was"
                    yield Finding("RE505", "step_details", before[:80], message, found=now)

    def shown(self, known: dict[str, Call], record: dict[str, Any]) -> Iterator[Finding]:
        """What a step shows of its calls, against what was submitted; and what it shows is remembered in `known`."""
        calls = calls_of(record)
        answers = self._answers.get(str(record.get("run_id")), {})
        for call_id, call in calls.items():
            sent, was = answers.get(call_id), known.get(call_id)
            if call.output is None and record.get("status") == "completed":
                message = f"the step is completed, and its call {call_id[:80]} has no output"
                yield Finding("RE505", "step_details", "an output for every call", message, found=call_id)
                continue
            first = was is None or was.output is None
            if first and call.output is not None and sent is not None and sent != call.output:
                message = f"the output of {call_id[:80]} is not the one that was submitted"
                yield Finding("RE505", "step_details", sent[:80], message, found=call.output)
        for call_id, call in calls.items():
            was = known.get(call_id)
            kept = was.output if was is not None and call.output is None else call.output
            known[call_id] = call._replace(output=kept)

    def answered(self, run_id: str, record: dict[str, Any]) -> Iterator[Finding]:
        """Take the end, in a stream, of the step for which its run waits: its calls are those that were asked for."""
        asked = self._asked.get(run_id)
        calls = calls_of(record)
        if asked is not None and calls and calls.keys() != set(asked):
            message = "its calls are not those of the run's required_action"
            yield Finding("RE505", "step_details", ", ".join(asked)[:200], message, found=", ".join(calls))

    def submitted(self, item: Submitted) -> Iterator[Finding]:
        """Take tool outputs that were sent, and taken."""
        run_id = item.run_id
        answers = self._answers.get(run_id or "", {})
        before = len(answers)
        given: set[str] = set()
        for call_id, output in item.outputs:
            if call_id is None:
                continue
            was = answers.setdefault(call_id, output) if output is not None else None
            if was is not None and was != output:
                message = f"{call_id[:80]} is answered a second time, and otherwise"
                yield Finding("RE505", "tool_outputs", was[:80], message, found=output)
            elif call_id in given:
                message = f"{call_id[:80]} is answered twice in one request"
                yield Finding("RE505", "tool_outputs", "one output for each call", message, found=call_id)
            given.add(call_id)
        if run_id is not None and answers:
            self._keep(run_id, answers, len(answers) - before)
        asked = self._asked.get(run_id or "")
        if asked is None:
            return
        expected = f"one output for each of {', '.join(asked)}"[:200]
        for call_id in sorted(given.difference(asked)):
            yield Finding("RE505", "tool_outputs", expected, f"{call_id[:80]} was not asked for", found=call_id)
        for call_id in asked:
            if call_id not in given:
                message = f"the outputs were taken without that of {call_id[:80]}"
                yield Finding("RE505", "tool_outputs", expected, message, found=None)

    def _drop(self, run_id: str) -> None:
        self._count -= len(self._answers.pop(run_id, ()))

    def _keep(self, run_id: str, answers: dict[str, str], more: int) -> None:
        """The runs that were answered longest ago go first; the one that was answered now stays."""
        self._answers[run_id] = answers
        self._answers.move_to_end(run_id)
        self._count += more
        while self._count > self._forget_after and len(self._answers) > 1:
            self._drop(next(iter(self._answers)))
