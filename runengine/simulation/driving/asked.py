"""One request as the simulated world sees it: what was asked by whom, what was planned, and what was answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import evolve

from runengine.embedding import Answer
from runengine.embedding.plans import Act, Birth, Claim, Lapse
from runengine.stores import Entry, Facts, Outcome, Request, Row, Wants

__all__ = ["Asked", "Peek", "Watched", "identity_of", "said", "spoken"]


class Peek:
    """Reads the facts of a request and plans it, and commits nothing.

    Args:
        request: The request.

    Attributes:
        outcome: What was planned.

    Example:
        >>> Peek(Act.__new__(Act)).outcome is None
        True
    """

    def __init__(self, request: Request[Any]) -> None:
        self._request: Final = request
        self.outcome: Outcome[Any] | None = None

    @property
    def wants(self) -> Wants:
        """As of the request."""
        return self._request.wants

    def plan(self, facts: Facts) -> Outcome[None]:
        """Plan, and write nothing."""
        self.outcome = self._request.plan(facts)
        return Outcome(answer=None)


class Watched:
    """A request whose last plan is remembered; it may have been planned before, on facts that are stale by now.

    Args:
        request: The request.
        refuse: Raises where the disk cannot take a commit.
        early: What was planned before; a store has to find out that it is stale, and ask for another plan.

    Attributes:
        outcome: What was planned last; None where that failed.
        is_early: Whether what was planned before is what was committed.
        was_stale: Whether what was planned before was given to the store, and refused by it.

    Example:
        >>> Watched(Act.__new__(Act), lambda: None).is_early
        False
    """

    def __init__(self, request: Request[Any], refuse: Callable[[], None], early: Outcome[Any] | None = None) -> None:
        self.request: Final = request
        self._refuse: Final = refuse
        self._early = early
        self.outcome: Outcome[Any] | None = None
        self.is_early = self.was_stale = False

    @property
    def wants(self) -> Wants:
        """As of the request."""
        return self.request.wants

    def plan(self, facts: Facts) -> Outcome[Any]:
        """The plan made before, the first time; then one on these facts."""
        early, self._early, self.outcome = self._early, None, None
        self.was_stale = self.was_stale or self.is_early
        self.is_early = early is not None and early.commit is not None
        outcome = early if early is not None and early.commit is not None else self.request.plan(facts)
        if outcome.commit is not None:
            self._refuse()
        self.outcome = outcome
        return outcome


class Asked:
    """A request that has reached the store, with what the book knew of its run before.

    Attributes:
        who: The process that asked.
        request: The request.
        answer: What it was answered; None where there was nothing to claim or to do.
        entries: What it committed, in order.
        is_early: Whether its plan was older than the commit.
        was_stale: Whether an older plan was refused, and made again.
        was: The run's row as it was, or None.
        fence: The fence of the run's last claim, by its history.
        holder: The worker that held it, by its history.
        active: Id of the run that was active on the thread of a create.
        life: What the book had of the answer's run when it was made, or None.
        waits: Whether the run was a create that waits.

    Example:
        >>> Asked("worker-1", Act.__new__(Act), None).entries
        ()
    """

    __slots__ = (
        "active",
        "answer",
        "entries",
        "fence",
        "holder",
        "is_early",
        "life",
        "request",
        "waits",
        "was",
        "was_stale",
        "who",
    )

    def __init__(self, who: str, request: Any, answer: Answer | None) -> None:
        self.who = who
        self.request = request
        self.answer = answer
        self.entries: tuple[Entry, ...] = ()
        self.is_early = self.was_stale = False
        self.was: Row | None = None
        self.fence = 0
        self.holder: str | None = None
        self.active: str | None = None
        self.waits = False
        self.life: Any = None

    @property
    def run_id(self) -> str:
        """The run it was about; empty where that is none."""
        if isinstance(self.request, Birth):
            return self.request.create.run_id
        if isinstance(self.request, Claim):
            return "" if self.answer is None else self.answer.run_id
        return str(self.request.run_id)


def identity_of(request: Act | Birth) -> tuple[Any, ...]:
    """What makes a request the same when it is sent again: all but its time, and an id the caller did not choose.

    Example:
        >>> from runengine.core import PRACTICAL, Cancel
        >>> from runengine.embedding import Settings
        >>> from runengine.embedding.plans import Context
        >>> context = Context(policy=PRACTICAL, settings=Settings())
        >>> identity_of(Act(context=context, run_id="r", event=Cancel(at_us=0), at_us=5))
        ('cancel', 'r', Cancel(at_us=0, reason=None))
    """
    if isinstance(request, Birth):
        return "create", request.named, request.create if request.named else evolve(request.create, run_id="-")
    return request.event.name, request.run_id, request.event


def spoken(request: Any) -> str:
    """A request in a few words, for the trace.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.embedding import Settings
        >>> from runengine.embedding.plans import Context
        >>> spoken(Lapse(context=Context(policy=PRACTICAL, settings=Settings()), run_id="run_1", at_us=5))
        'do what is due on run_1'
    """
    if isinstance(request, Birth):
        how = f", {request.thread}" if request.thread != "reject" else ""
        again = f", sent again ({request.retry})" if request.retry else ""
        key = f", key {request.key}" if request.key else ""
        return f"create {request.create.run_id} on {request.create.thread_id}{how}{key}{again}"
    if isinstance(request, Act):
        more = [("fence", request.fence), ("version", request.expect), ("key", request.key)]
        return f"{request.event.name} {request.run_id}" + "".join(f", {n} {v}" for n, v in more if v is not None)
    if isinstance(request, Claim):
        return f"claim for {request.lease_s:g} s"
    if isinstance(request, Lapse):
        return f"do what is due on {request.run_id}"
    return f"{type(request).__name__.lower()} {request.run_id}, fence {request.fence}"


def said(answer: Answer | None) -> str:
    """An answer in a few words.

    Example:
        >>> said(None), said(Answer(kind="not_found", event="cancel", run_id="r", at_us=0))
        ('nothing', 'not_found')
    """
    if answer is None:
        return "nothing"
    status = "" if answer.status is None else f": {answer.run_id} {answer.status}"
    fence = f", fence {answer.fence}" if answer.kind == "applied" and answer.worker is not None else ""
    also = "".join(f"; {one.run_id} {one.status} by {one.event}" for one in answer.also)
    return f"{answer.kind}{status}{fence}{also}"
