"""Observers: whoever wants to see every answer of a runtime, as one frozen record each."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from attrs import frozen

from runengine.embedding.answers import Answer

__all__ = ["Observed", "Observer", "checked", "tell"]

_log: Final = logging.getLogger("runengine")

_ASYNC: Final = "`observe` must be a plain function, as it is not awaited: make it a `def`; got {!r}"


@frozen(kw_only=True)
class Observed:
    """One answer, as it was given.

    Attributes:
        answer: The answer: what was asked, of which run, what came of it, and how long the run had been where it was.
        elapsed_s: Seconds from the request to the answer, the store's commit included.
        store: The store's address, its password hidden.

    Example:
        >>> answer = Answer(kind="not_found", event="start", run_id="r", at_us=0)
        >>> Observed(answer=answer, elapsed_s=0.1, store="memory:").store
        'memory:'
    """

    answer: Answer
    elapsed_s: float
    store: str


class Observer(Protocol):
    """What an observer must have. It is called on the caller's thread, after the store has committed.

    `observe` is a plain function, for asyncio too: nobody would await an `async def`.
    """

    def observe(self, seen: Observed) -> None:
        """Look at an answer; what it raises is logged, and changes nothing."""
        ...


def checked(observers: Iterable[Observer]) -> tuple[Observer, ...]:
    """The observers, if that is what they are.

    Raises:
        TypeError: they are no list of objects, each with a plain method `observe`.

    Example:
        >>> checked([print])
        Traceback (most recent call last):
        TypeError: an observer needs a method `observe`; got <built-in function print>
    """
    if not isinstance(observers, Iterable):
        raise TypeError(f"observers must be a list of them; got {observers!r}")
    each = tuple(observers)
    for observer in each:
        observe = getattr(observer, "observe", None)
        if not callable(observe):
            raise TypeError(f"an observer needs a method `observe`; got {observer!r}")
        if inspect.iscoroutinefunction(observe) or inspect.iscoroutinefunction(type(observe).__call__):
            raise TypeError(_ASYNC.format(observer))
    return each


def tell(observers: Iterable[Observer], seen: Observed) -> None:
    """Show every observer an answer.

    Example:
        >>> answer = Answer(kind="not_found", event="start", run_id="r", at_us=0)
        >>> tell((), Observed(answer=answer, elapsed_s=0.1, store="memory:"))
    """
    for observer in observers:
        try:
            observe: Callable[[Observed], object] = observer.observe
            made = observe(seen)
            if inspect.iscoroutine(made):
                made.close()
                raise TypeError(_ASYNC.format(observer))
        except Exception:  # noqa: BLE001 - the step is committed; an observer must not make it look refused
            _log.exception("an observer failed on %s of %s", seen.answer.event, seen.answer.run_id)
