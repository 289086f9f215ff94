"""Every error runengine raises, in one tree.

```
RunEngineError
├─ LifecycleDefinitionError   the table is wrong: row and rule
├─ TransitionNotAllowed       run_id, status, event, reason, allowed, guard, ended_by
├─ InvalidSnapshot            which rule, which fields
├─ StoreError
│  ├─ RunNotFound             run_id
│  ├─ RunExists               run_id
│  ├─ ThreadBusy              thread_id, run_id
│  ├─ VersionConflict         run_id, expected, found
│  ├─ LeaseLost               run_id, fence, found, owner
│  ├─ SchemaMismatch          url, problem
│  └─ StoreUnavailable        url, problem
├─ DialectError
│  ├─ UnknownSpelling         dialect, field, value, known
│  └─ PayloadError            problems, each with a $.path
│     └─ NotJSON              problem, offset (in `runengine.dialects.wire`)
├─ TraceUnreadable            file, line, column
└─ MissingExtra; elsewhere: ScenarioInvalid (`simulation.errors`), SettingsInvalid, SnapshotRefused (`validation`)
```

Each keeps what it knows in attributes and can be pickled. A message says what was refused, to what, why, and
what would have been accepted. Violations found in a trace are values, not errors: see `runengine.validation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "DialectError",
    "InvalidSnapshot",
    "LeaseLost",
    "LifecycleDefinitionError",
    "MissingExtra",
    "PayloadError",
    "RunEngineError",
    "RunExists",
    "RunNotFound",
    "SchemaMismatch",
    "StoreError",
    "StoreUnavailable",
    "ThreadBusy",
    "TraceUnreadable",
    "TransitionNotAllowed",
    "UnknownSpelling",
    "VersionConflict",
]


class RunEngineError(Exception):
    """Base of every error of this library.

    Subclasses pass all their arguments to `Exception`, so that they pickle, and build their message in `__str__`.

    Example:
        >>> issubclass(TraceUnreadable, RunEngineError)
        True
    """


class LifecycleDefinitionError(RunEngineError):
    """A lifecycle table breaks a rule of the table itself, so it does not load.

    Attributes:
        row: The row (or status, or field) at fault, as text.
        rule: The rule it breaks, one sentence.

    Example:
        >>> str(LifecycleDefinitionError("start: queued -> running", "every target is a status"))
        'lifecycle table, row `start: queued -> running`: every target is a status'
    """

    def __init__(self, row: str, rule: str) -> None:
        super().__init__(row, rule)
        self.row = row
        self.rule = rule

    def __str__(self) -> str:
        return f"lifecycle table, row `{self.row}`: {self.rule}"


class TransitionNotAllowed(RunEngineError, ValueError):
    """`apply` was asked for a step that the lifecycle refuses; nothing has changed.

    Attributes:
        message: The refusal in words.
        run_id: The run's id, or None where there was no run.
        status: The status the event met, or None where there was no run.
        event: The event's name.
        reason: "unknown", "illegal", "late" or "guard".
        allowed: Names of the events allowed in that status.
        guard: The guard that said no, or None.
        ended_by: The event that ended the run, for reason "late".

    Example:
        >>> error = TransitionNotAllowed("no", "run_1", "queued", "complete", "illegal", ("start",))
        >>> error.status, error.reason, error.allowed
        ('queued', 'illegal', ('start',))
    """

    def __init__(
        self,
        message: str,
        run_id: str | None,
        status: str | None,
        event: str,
        reason: str,
        allowed: Sequence[str] = (),
        guard: str | None = None,
        ended_by: str | None = None,
    ) -> None:
        super().__init__(message, run_id, status, event, reason, tuple(allowed), guard, ended_by)
        self.message = message
        self.run_id = run_id
        self.status = status
        self.event = event
        self.reason = reason
        self.allowed = tuple(allowed)
        self.guard = guard
        self.ended_by = ended_by

    def __str__(self) -> str:
        return self.message


class InvalidSnapshot(RunEngineError, ValueError):
    """A record's fields do not agree with its status.

    Attributes:
        run_id: The run's id.
        rule: The rule broken, one sentence.
        fields: Names of the fields that break it.

    Example:
        >>> str(InvalidSnapshot("run_1", "completed_at is set in completed", ("completed_at",)))
        'run_1: completed_at is set in completed (fields: completed_at)'
    """

    def __init__(self, run_id: str, rule: str, fields: Sequence[str]) -> None:
        super().__init__(run_id, rule, tuple(fields))
        self.run_id = run_id
        self.rule = rule
        self.fields = tuple(fields)

    def __str__(self) -> str:
        return f"{self.run_id}: {self.rule} (fields: {', '.join(self.fields)})"


class StoreError(RunEngineError):
    """A store refuses, or cannot do, what it was asked.

    Example:
        >>> issubclass(ThreadBusy, StoreError)
        True
    """


class _OfRun(StoreError):
    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


class RunNotFound(_OfRun, LookupError):
    """There is no run of that id.

    Attributes:
        run_id: The id.

    Example:
        >>> str(RunNotFound("run_1"))
        'run_1: there is no such run'
    """

    def __str__(self) -> str:
        return f"{self.run_id}: there is no such run"


class RunExists(_OfRun, ValueError):
    """A run of that id is there already.

    Attributes:
        run_id: The id.

    Example:
        >>> str(RunExists("run_1"))
        'run_1: there is a run of this id already; choose another, or leave it out'
    """

    def __str__(self) -> str:
        return f"{self.run_id}: there is a run of this id already; choose another, or leave it out"


class ThreadBusy(StoreError, ValueError):
    """The thread has a run that has not ended (worded as the API words it, FACTS §3).

    Attributes:
        thread_id: The thread.
        run_id: The run that is active on it.

    Example:
        >>> str(ThreadBusy("thread_1", "run_1"))
        'Thread thread_1 already has an active run run_1.'
    """

    def __init__(self, thread_id: str, run_id: str) -> None:
        super().__init__(thread_id, run_id)
        self.thread_id = thread_id
        self.run_id = run_id

    def __str__(self) -> str:
        return f"Thread {self.thread_id} already has an active run {self.run_id}."


class VersionConflict(StoreError):
    """The run has changed since the version the caller expected.

    Attributes:
        run_id: The run.
        expected: The version the caller named.
        found: The version it has.

    Example:
        >>> str(VersionConflict("run_1", 3, 5))
        'run_1: expected version 3, found 5; read the run again'
    """

    def __init__(self, run_id: str, expected: int, found: int) -> None:
        super().__init__(run_id, expected, found)
        self.run_id = run_id
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return f"{self.run_id}: expected version {self.expected}, found {self.found}; read the run again"


class LeaseLost(StoreError):
    """A worker's token is not that of the run's last claim, or none was shown while a worker holds the run.

    Attributes:
        run_id: The run.
        fence: The token shown, or None.
        found: The token of the last claim.
        owner: The worker that holds the run, or None.

    Example:
        >>> str(LeaseLost("run_1", 1, 2, "w2"))
        'run_1: fence 1 is not that of the last claim, 2 (held by w2); stop working on it'
    """

    def __init__(self, run_id: str, fence: int | None, found: int, owner: str | None) -> None:
        super().__init__(run_id, fence, found, owner)
        self.run_id = run_id
        self.fence = fence
        self.found = found
        self.owner = owner

    def __str__(self) -> str:
        held = f"held by {self.owner}" if self.owner else "held by nobody"
        if self.fence is None:
            return f"{self.run_id}: {held} with fence {self.found}; only its worker may do this"
        over = self.fence == self.found
        what = "that of an attempt that is over" if over else f"not that of the last claim, {self.found}"
        return f"{self.run_id}: fence {self.fence} is {what} ({held}); stop working on it"


class _StoreAt(StoreError):
    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)
        self.url = url
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.url}: {self.problem}"


class SchemaMismatch(_StoreAt):
    """A store's schema, or the policy it was made for, is not this engine's.

    Attributes:
        url: The store, its password hidden.
        problem: What differs and what to do.

    Example:
        >>> str(SchemaMismatch("sqlite:///runs.db", "schema version 9 is newer than 1; update runengine"))
        'sqlite:///runs.db: schema version 9 is newer than 1; update runengine'
    """


class StoreUnavailable(_StoreAt):
    """A store cannot be reached, or cannot be written; nothing is half written.

    Attributes:
        url: The store, its password hidden.
        problem: What is wrong and what to do.

    Example:
        >>> str(StoreUnavailable("sqlite:///runs.db", "the disk is full"))
        'sqlite:///runs.db: the disk is full'
    """


class DialectError(RunEngineError, ValueError):
    """A document cannot be read from, or written to, a dialect.

    Example:
        >>> issubclass(PayloadError, DialectError)
        True
    """


class UnknownSpelling(DialectError):
    """A closed word of the protocol is spelled in a way the dialect does not know.

    Attributes:
        dialect: The dialect's name.
        field: The field's path, as `$.status`.
        value: What was found.
        known: The words that are known there.

    Example:
        >>> str(UnknownSpelling("native", "$.status", "canceled", ("cancelled",)))
        "native: $.status is 'canceled'; known: cancelled"
    """

    def __init__(self, dialect: str, field: str, value: Any, known: Sequence[str]) -> None:
        super().__init__(dialect, field, value, tuple(known))
        self.dialect = dialect
        self.field = field
        self.value = value
        self.known = tuple(known)

    def __str__(self) -> str:
        return f"{self.dialect}: {self.field} is {self.value!r}; known: {', '.join(self.known)}"


class PayloadError(DialectError):
    """A document has the wrong shape or types; every problem is named with its path.

    Attributes:
        problems: One line each, as `$.created_at: expected int, found str '17'`.

    Example:
        >>> str(PayloadError(("$.created_at: expected int, found str '17'",)))
        "$.created_at: expected int, found str '17'"
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "; ".join(self.problems)


class TraceUnreadable(RunEngineError):
    """A file, or a line of it, cannot be read as a recording.

    Attributes:
        file: The path as given.
        line: Line number from 1, or 0 for the whole file.
        column: Column from 1, or 0 where it is not known.
        problem: What is wrong and what was expected.

    Example:
        >>> str(TraceUnreadable("a.jsonl", 3, 0, "not JSON"))
        'a.jsonl:3: not JSON'
    """

    def __init__(self, file: str, line: int, column: int, problem: str) -> None:
        super().__init__(file, line, column, problem)
        self.file = file
        self.line = line
        self.column = column
        self.problem = problem

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part) + f": {self.problem}"


class MissingExtra(RunEngineError, ImportError):
    """A part (`what`) of the library whose own libraries, brought by an extra (`extra`), are not installed.

    Example:
        >>> print(MissingExtra("simulating in columns", "simulation"))
        simulating in columns needs pip install 'runengine[simulation]'
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, extra)
        self.what = what
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.what} needs pip install 'runengine[{self.extra}]'"
