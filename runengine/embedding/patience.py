"""How a worker bears a store that fails: it tries again, ever more slowly, and says so once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

from runengine.errors import RunEngineError, StoreUnavailable

__all__ = ["GONE", "TROUBLE", "Patience"]

A = TypeVar("A")

TROUBLE: Final = (RunEngineError, OSError)
"""What a store may be in: it is gone, or it holds what cannot be read. Anything else is a mistake in a program."""

GONE: Final = (StoreUnavailable, OSError)
"""What passes: the same request may be answered the next time."""

_RETRY_S: Final = 0.1
_RETRY_MAX_S: Final = 5.0


class Patience:
    """Tries again what a store could not do.

    Args:
        warn: Called with the first error in a row.

    Example:
        >>> async def answer():
        ...     return 1
        >>> asyncio.run(Patience(print).insist(answer))
        1
    """

    def __init__(self, warn: Callable[[Exception], None]) -> None:
        self._warn: Final = warn
        self._is_failing = False

    def delays_s(self) -> Iterator[float]:
        """How long to wait after each error in a row."""
        delay_s = _RETRY_S
        while True:
            yield delay_s
            delay_s = min(2 * delay_s, _RETRY_MAX_S)

    def fail(self, error: Exception) -> None:
        """The store has failed."""
        if not self._is_failing:
            self._warn(error)
        self._is_failing = True

    def succeed(self) -> None:
        """The store has answered."""
        self._is_failing = False

    async def insist(
        self,
        call: Callable[[], Awaitable[A]],
        kinds: tuple[type[Exception], ...] = TROUBLE,
        at_most_s: float = _RETRY_MAX_S,
    ) -> A:
        """Call until there is an answer.

        Args:
            call: What to call.
            kinds: Errors after which it is called again; others are raised.
            at_most_s: How long to wait in between.
        """
        delays_s = self.delays_s()
        while True:
            try:
                answer = await call()
            except kinds as error:
                self.fail(error)
                await asyncio.sleep(min(next(delays_s), at_most_s))
            else:
                self.succeed()
                return answer
