# Made by `python -m tests.unasync` from runengine/embedding/aio/base.py: change that file, not this one.
# fmt: off
# ruff: noqa: I001, RUF100
"""What a runtime is made of: its store, its clock, its observers."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

from runengine.core import (
    PRACTICAL,
    STATUSES,
    TERMINAL,
    Event,
    Policy,
)
from runengine.embedding.answers import Answer
from runengine.embedding.clock import SYSTEM, Clock, ticks_s
from runengine.embedding.observers import Observed, Observer, checked, tell
from runengine.embedding.plans import Act, Context
from runengine.embedding.settings import Settings
from runengine.errors import LifecycleDefinitionError
from runengine.stores import Store, Request
from runengine.stores.opening import has_clock, open_store

__all__ = ["Base"]


class Base:
    """The store, opened at first use, and the way to it: see `Runtime`.

    Example:
        >>> def address():
        ...     with Base("memory:") as base:
        ...         return (base.open()).url
        >>> address()
        'memory:'
    """

    def __init__(
        self,
        store: str | Store,
        *,
        clock: Clock | None = None,
        policy: Policy = PRACTICAL,
        settings: Settings | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        for status in STATUSES:
            if status not in TERMINAL and "expire" not in policy.allowed(status):
                raise LifecycleDefinitionError(f"expire: {status}", "a run must be able to expire wherever it waits")
        if "finish_cancel" not in policy.allowed("cancelling"):
            raise LifecycleDefinitionError("finish_cancel: cancelling", "a cancel must be able to end")
        self.settings: Final = settings or Settings()
        self.policy: Final = policy
        self._context: Final = Context(policy=policy, settings=self.settings)
        self._observers: Final = checked(observers)
        self._clock = clock
        self._address = store
        self._store: Store | None = None
        self._opening: Final = threading.Lock()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> Store:
        """Open the store, unless that is done; the first call of any other method does it too."""
        with self._opening:
            if self._store is None:
                address = self._address
                self._store = open_store(address, self.policy) if isinstance(address, str) else address
                if self._clock is None and not has_clock(self._store):
                    self._clock = SYSTEM
        return self._store

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def on(self, connection: Any) -> Self:
        """The same runtime on the host's own connection: what it writes commits with the host's transaction.

        Args:
            connection: A `sqlite3.Connection` or a psycopg connection, to the same store; one to another is refused, at
                its first use at the latest. The host commits or rolls back. Answers are given, and observed, before
                that. Where the connection commits every statement by itself and the host has begun no transaction, each
                request is committed by itself too.
        """
        store = (self.open()).on(connection)
        return type(self)(
            store, clock=self._clock, policy=self.policy, settings=self.settings, observers=self._observers
        )

    def _now_us(self) -> int | None:
        return None if self._clock is None else self._clock.now_us()

    def _act(self, run_id: str, event: Event, fence: int | None, expect: int | None, key: str | None) -> Answer:
        store = self.open()
        act = Act(
            context=self._context,
            run_id=run_id,
            event=event,
            at_us=self._now_us(),
            fence=fence,
            expect=expect,
            key=key,
        )
        return self._ask(store, act)

    def _ask(self, store: Store, request: Request[Answer]) -> Answer:
        began_s = ticks_s()
        answer = store.execute(request)
        self._tell(store, answer, began_s)
        return answer

    def _ask_maybe(self, store: Store, request: Request[Answer | None]) -> Answer | None:
        began_s = ticks_s()
        answer = store.execute(request)
        if answer is not None:
            self._tell(store, answer, began_s)
        return answer

    def _tell(self, store: Store, answer: Answer, began_s: float) -> None:
        if self._observers:
            for each in (answer, *answer.also):
                tell(self._observers, Observed(answer=each, elapsed_s=ticks_s() - began_s, store=store.url))
