"""An `async with` block whose own tasks can end it: an error in one of them comes out of the block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

__all__ = ["Block"]


class Block:
    """The block of a worker, while it is open.

    Args:
        on_failure: Called with the error, once.

    Example:
        >>> async def fall():
        ...     raise KeyError("city")
        >>> async def error():
        ...     block = Block(lambda error: None)
        ...     block.open()
        ...     block.spawn(fall())
        ...     try:
        ...         await asyncio.sleep(60)
        ...     except asyncio.CancelledError:
        ...         await block.close()
        ...     return block.failure
        >>> asyncio.run(error())
        KeyError('city')
    """

    def __init__(self, on_failure: Callable[[BaseException], None]) -> None:
        self.failure: BaseException | None = None
        self._on_failure: Final = on_failure
        self._body: asyncio.Task[Any] | None = None

    def open(self) -> None:
        """The current task enters the body."""
        self._body, self.failure = asyncio.current_task(), None

    def spawn(self, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task; what it raises ends the block."""
        task = asyncio.create_task(doing)
        task.add_done_callback(self._see)
        return task

    def fail(self, error: BaseException) -> None:
        """Cancel the body, if the block is still in it; the first error counts."""
        if self.failure is None:
            self.failure = error
            self._on_failure(error)
            if self._body is not None:
                self._body.cancel()

    async def close(self) -> None:
        """The body is over: take back the cancel that `fail` gave it."""
        body, self._body = self._body, None
        if self.failure is not None and body is not None and body is asyncio.current_task():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)  # where the body had ended by itself, the cancel comes here
            body.uncancel()

    def _see(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fail(error)
