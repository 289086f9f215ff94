"""Before a process forks, its stores let go of their files; afterwards each of the two opens them anew.

SQLite notes per process which locks it has. A child that inherits the notes believes that it has locks which it does
not have, even on connections of its own, and may read or write what the parent is writing.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import Final, Protocol
from weakref import WeakSet

__all__ = ["Forkable", "watch"]

_WAIT_S: Final = 10.0


class Forkable(Protocol):
    """What has files open."""

    def hold(self, timeout_s: float) -> bool:
        """Have nothing open, and do nothing until `go_on`; False where something stays in use for that time."""
        ...

    def go_on(self) -> None:
        """In the parent."""
        ...

    def renew(self, *, whole: bool) -> None:
        """In the child, whose only thread this is; `whole` is what `hold` has said."""
        ...


_watched: Final[WeakSet[Forkable]] = WeakSet()
_held: Final[list[tuple[Forkable, bool]]] = []
_left_open: Final[list[Forkable]] = []  # never to be closed in the child: closing gives the parent's locks away
_one_at_a_time = Lock()


def watch(store: Forkable) -> None:
    """From now on it is held while the process forks.

    Example:
        >>> watch.__name__
        'watch'
    """
    _watched.add(store)


def _before() -> None:
    _one_at_a_time.acquire()
    _held[:] = [(store, store.hold(_WAIT_S)) for store in list(_watched)]


def _after_in_parent() -> None:
    for store, _ in _held:
        store.go_on()
    _held.clear()
    _one_at_a_time.release()


def _after_in_child() -> None:
    for store, whole in _held:
        store.renew(whole=whole)
        if not whole:
            _left_open.append(store)
    _held.clear()
    _one_at_a_time.release()


if hasattr(os, "register_at_fork"):  # there is none on Windows, and no fork
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
