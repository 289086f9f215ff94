"""What the runtime answers: a value for every outcome, and one way to make an error of it. Source: DESIGN §4."""

from __future__ import annotations

from typing import Final, Literal, Self

from attrs import frozen

from runengine.core import Refused, RunObject, Status
from runengine.errors import LeaseLost, RunExists, RunNotFound, StoreError, ThreadBusy, VersionConflict

__all__ = ["KINDS", "Answer", "AnswerKind"]

AnswerKind = Literal[
    "applied",
    "replayed",
    "waiting",
    "withdrawn",
    "lost",
    "illegal",
    "guard",
    "fenced",
    "stale",
    "not_found",
    "exists",
    "busy",
]

KINDS: Final[dict[AnswerKind, str]] = {
    "applied": "The run has moved; the history has it.",
    "replayed": "The same request was answered before; this is that answer.",
    "waiting": "The create waits for the thread's run to end; its run will be born then.",
    "withdrawn": "The create was waiting and is taken back; no run was born.",
    "lost": "The run has ended, or was ended in that moment, by something else; what came late is in the history.",
    "illegal": "The table has no such step from where the run is.",
    "guard": "The table has the step, and a condition of it does not hold.",
    "fenced": "Another worker holds the run, or held it last; this one must stop.",
    "stale": "The run has changed since the version the caller expected.",
    "not_found": "There is no such run.",
    "exists": "There is a run of that id already.",
    "busy": "The thread has a run that has not ended.",
}
"""Every kind of answer, and what it says."""

_FINE: Final = ("applied", "replayed", "waiting", "withdrawn")


@frozen(kw_only=True)
class Answer:
    """The answer to one request.

    Attributes:
        kind: Which, see `KINDS`.
        event: The name of the event, or of what was asked (`claim`, `heartbeat`, `release`).
        run_id: The run.
        run: The run as it is now (as it was then, where replayed); None where there is none.
        at_us: The time the request was given.
        before: The status it met, or None.
        since_us: How long the run had been in that status, microseconds.
        version: The run's version now.
        fence: The run's fence now: of a claim, the token to show.
        worker: The worker that holds the run.
        refused: The table's refusal, for lost, illegal and guard.
        expected: The version expected (stale), or the fence shown (fenced).
        active: Id of the run that is active on the thread, for busy and waiting.
        thread_id: The thread.
        also: What else the same commit did, one answer each: a run that was expired, cancelled or let in by this.

    Example:
        >>> Answer(kind="not_found", event="cancel", run_id="run_1", at_us=0).or_raise()
        Traceback (most recent call last):
        runengine.errors.RunNotFound: run_1: there is no such run
    """

    kind: AnswerKind
    event: str
    run_id: str
    at_us: int
    run: RunObject | None = None
    before: Status | None = None
    since_us: int = 0
    version: int | None = None
    fence: int | None = None
    worker: str | None = None
    refused: Refused | None = None
    expected: int | None = None
    active: str | None = None
    thread_id: str | None = None
    also: tuple[Answer, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether what was asked has happened, or will: applied, replayed, waiting or withdrawn."""
        return self.kind in _FINE

    @property
    def status(self) -> Status | None:
        """The run's status now, or None."""
        return None if self.run is None else self.run.status

    @property
    def ended_by(self) -> str | None:
        """The event that ended the run, where that is why it was refused."""
        return None if self.refused is None else self.refused.ended_by

    @property
    def message(self) -> str:
        """One line for people."""
        if self.ok:
            return f"{self.run_id}: {self.event} {self.kind}" + (f", now {self.status}" if self.run else "")
        return str(self.error())

    def or_raise(self) -> Self:
        """The answer itself where it is fine, else the error it amounts to.

        Raises:
            TransitionNotAllowed: lost, illegal or guard; it carries the refusal.
            LeaseLost: fenced.
            VersionConflict: stale.
            RunNotFound, RunExists, ThreadBusy: as they say.
        """
        if self.ok:
            return self
        raise self.error()

    def error(self) -> Exception:
        """The error that an answer which is not fine amounts to."""
        match self.kind:
            case "lost" | "illegal" | "guard" if self.refused is not None:
                return self.refused.error()
            case "fenced":
                return LeaseLost(self.run_id, self.expected, self.fence or 0, self.worker)
            case "stale":
                return VersionConflict(self.run_id, self.expected or 0, self.version or 0)
            case "not_found":
                return RunNotFound(self.run_id)
            case "exists":
                return RunExists(self.run_id)
            case "busy":
                return ThreadBusy(self.thread_id or "", self.active or "")
        return StoreError(f"{self.run_id}: {self.event} {self.kind}")
