"""What the actors of a simulated world share: chance, the clock, names, and what they have heard of."""

from __future__ import annotations

from typing import Final, Unpack

from runengine.core import PRACTICAL, Create
from runengine.embedding import Answer, AsyncRuntime, Clock, ManualClock, Settings, ThreadStrategy
from runengine.embedding.plans import Birth
from runengine.embedding.requests import RequestFields
from runengine.simulation.driving.chance import Chance
from runengine.simulation.driving.invariants.ends import Reader
from runengine.stores import AsyncStore

__all__ = ["THREADS", "DrivenRuntime", "Stage"]

THREADS: Final = ("thread_1", "thread_2", "thread_3")
"""Few, so that runs contend for them."""

_KNOWN_MAX: Final = 8


class DrivenRuntime(AsyncRuntime):
    """The runtime, with creates whose id the caller has not chosen, and which is made up the same each time.

    Example:
        >>> DrivenRuntime("memory:").policy.name
        'practical'
    """

    async def create_unnamed(
        self,
        run_id: str,
        thread_id: str,
        *,
        ttl_s: int | None = None,
        thread: ThreadStrategy,
        key: str | None,
        retry: int,
        **request: Unpack[RequestFields],
    ) -> Answer:
        """As `create` without an id, which is made up of chance there.

        Args:
            run_id: What is made up.
            thread_id: The thread.
            ttl_s: Seconds until its deadline.
            thread: What to do if the thread is busy.
            key: Under which it is kept.
            retry: How often it was sent before.
            **request: As of `create`.
        """
        create = Create(
            at_us=0,
            run_id=run_id,
            thread_id=thread_id,
            assistant_id="asst_1",
            model="gpt-4o",
            ttl_s=self.settings.ttl_s if ttl_s is None else ttl_s,
            **request,
        )
        store = await self.open()
        birth = Birth(
            context=self._context, create=create, at_us=self._now_us(), thread=thread, key=key, retry=retry, named=False
        )
        return await self._ask(store, birth)


class Stage:
    """What actors see of their world.

    Args:
        chance: Decides what they do.
        clock: The world's.
        settings: Of every runtime.

    Attributes:
        board: Runs that somebody has told of, the newest first.
        readers: What readers of the feed keep over their lives.

    Example:
        >>> stage = Stage(Chance(1), ManualClock(), Settings())
        >>> stage.new_id("run"), stage.new_id("run")
        ('run_1', 'run_2')
    """

    def __init__(self, chance: Chance, clock: ManualClock, settings: Settings) -> None:
        self.chance: Final = chance
        self.clock: Final = clock
        self.settings: Final = settings
        self.board: list[str] = []
        self.readers: dict[str, Reader] = {}
        self._numbers: dict[str, int] = {}

    def new_id(self, what: str) -> str:
        """A name that nothing else has."""
        self._numbers[what] = number = self._numbers.get(what, 0) + 1
        return f"{what}_{number}"

    def tell(self, run_id: str) -> None:
        """Put a run on the board."""
        if run_id in self.board:
            self.board.remove(run_id)
        self.board.insert(0, run_id)
        del self.board[_KNOWN_MAX:]

    def known(self) -> str:
        """A run from the board; of one that never was, while it is empty."""
        return self.chance.pick(self.board) if self.board else "run_0"

    def runtime(self, store: AsyncStore, clock: Clock) -> DrivenRuntime:
        """A runtime of its own for one life of a process."""
        return DrivenRuntime(store, clock=clock, policy=PRACTICAL, settings=self.settings)

    def reader(self, name: str) -> Reader:
        """What a reader of the feed keeps."""
        return self.readers.setdefault(name, Reader(name, [], [0]))
