"""A simulated world: the real runtime over a real store, everything else decided by one seed.

One thread, one clock that stands until it is set, one source of chance. In each turn one process runs from the point
where it stands to the next, or something happens to the world: the clock jumps, the disk fails, a process dies, all
of them die and the store is opened anew. After whatever reaches the store the invariants are asserted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from runengine.core import PRACTICAL, SECOND_US
from runengine.dialects import encode
from runengine.embedding import Answer, ManualClock, Settings
from runengine.errors import StoreUnavailable
from runengine.simulation.driving.actors.clients import caller, canceller, client, modifier, poller
from runengine.simulation.driving.actors.keepers import housekeeper, subscriber, sweeper
from runengine.simulation.driving.actors.workers import host, worker
from runengine.simulation.driving.asked import Asked
from runengine.simulation.driving.book import Book
from runengine.simulation.driving.chance import Chance, Turn
from runengine.simulation.driving.door import Door
from runengine.simulation.driving.grounds import ground_named
from runengine.simulation.driving.invariants.table import Broken
from runengine.simulation.driving.judge import Judge
from runengine.simulation.driving.machines import Machine
from runengine.simulation.driving.processes import CRASHES, Process, SkewedClock
from runengine.simulation.driving.stage import DrivenRuntime, Stage
from runengine.simulation.driving.worldly import Disk, Trouble

__all__ = ["BEGIN_US", "STEPS", "Line", "World"]

STEPS: Final = 300
"""Turns of a world, unless told otherwise."""

BEGIN_US: Final = 1_767_225_600 * SECOND_US
"""When a world begins: 2026-01-01."""

_TURN_US: Final = 20_000
_ROUNDS_MAX: Final = 60
_ROUND_S: Final = 1_000
_SKEWS_US: Final = (0, 0, 0, 0, 1_500_000, -1_500_000)

Act = Callable[[Stage, Process, DrivenRuntime], Coroutine[Any, Any, None]]

_ACTORS: Final[tuple[tuple[str, Act, int], ...]] = (
    ("client-1", client, 6),
    ("client-2", client, 4),
    ("worker-1", worker, 13),
    ("worker-2", worker, 13),
    ("worker-3", worker, 10),
    ("host-1", host, 4),
    ("caller-1", caller, 6),
    ("caller-2", caller, 5),
    ("canceller-1", canceller, 4),
    ("modifier-1", modifier, 3),
    ("poller-1", poller, 3),
    ("sweeper-1", sweeper, 4),
    ("subscriber-1", subscriber, 4),
    ("housekeeper-1", housekeeper, 1),
)
"""Who is there, and how often it is its turn."""

_MACHINE: Final = 30
"""How often it is the turn of the real `Worker`, in the worlds that have one: it asks for much, as it also sweeps."""

_HAPPENINGS: Final = (("clock", 5), ("reaper", 3), ("disk", 1))
_NAMES: Final = tuple(name for name, _, weight in _ACTORS for _ in range(weight)) + tuple(
    name for name, weight in _HAPPENINGS for _ in range(weight)
)


class Line(NamedTuple):
    """One line of a trace.

    Attributes:
        turn: In which turn.
        at_us: When, by the world's clock.
        who: The process, or what happened to the world.
        text: What.

    Example:
        >>> str(Line(3, BEGIN_US + 1_500_000, "clock", "forward by 1 s"))
        '   3   +1.500 s  clock           forward by 1 s'
    """

    turn: int
    at_us: int
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.turn:4} {(self.at_us - BEGIN_US) / SECOND_US:+8.3f} s  {self.who:14}  {self.text}"


class World:
    """One world.

    It runs event loops of its own, so it is not to be run inside another.

    Args:
        seed: Of all that is decided.
        store: `memory` or `sqlite`.
        steps: How many turns it has.
        tape: A record of decisions to play instead of deciding.

    Attributes:
        lines: What happened, in order.
        crashes: How often a process of a kind died at a point.
        troubles: How often the store failed, and how.
        early: How often a plan was older than its commit, by what became of it.
        requests: How many reached the store.
        moved_us: How much time has passed, forward.

    Example:
        >>> world = World(1, steps=40)
        >>> world.run()
        >>> again = World(1, steps=40)
        >>> again.run()
        >>> world.digest() == again.digest()
        True
    """

    def __init__(
        self, seed: int, *, store: str = "memory", steps: int = STEPS, tape: Sequence[Turn] | None = None
    ) -> None:
        self.chance: Final = Chance(seed, tape)
        self._steps: Final = steps
        self._store: Final = store
        self.chance.turn(("world",))
        self.ground = ground_named(store)
        self.clock: Final = ManualClock(BEGIN_US)
        settings = self._settings()
        self.stage: Final = Stage(self.chance, self.clock, settings)
        self.judge = Judge(Book(PRACTICAL, settings))
        self.disk = Disk()
        self.turn = 0
        self.lines: list[Line] = []
        self.crashes: Counter[tuple[str, str]] = Counter()
        self.troubles: Counter[str] = Counter()
        self.early: Counter[str] = Counter()
        self.requests = 0
        self.moved_us = 0
        self._disk_until = 0
        self._is_ending = False
        self._splits = self.chance.draw(2) == 1
        self._happened("world", _told(settings))
        self._processes: Final[dict[str, Process]] = {
            name: Process(name, name.partition("-")[0], partial(self._begin, act)) for name, act, _ in _ACTORS
        }
        if self.chance.draw(3) == 2:
            self._processes["machine-1"] = Machine("machine-1", self.chance, self._moved_s, self._runtime)
        self._skews: Final = {name: self.chance.pick(_SKEWS_US) for name in self._processes}
        reboots = ("reboot",) if self.ground.survives else ()
        machines = ("machine-1",) * _MACHINE if "machine-1" in self._processes else ()
        self._names: Final = (*_NAMES, *reboots, *machines)

    def run(self) -> None:
        """Live it to its end.

        Raises:
            Broken: an invariant does not hold.
        """
        try:
            while self.turn < self._steps and (who := self.chance.turn(self._names)) is not None:
                self.turn += 1
                self._guarded(partial(self._take_turn, who))
            self._guarded(self._end)
        finally:
            for process in self._processes.values():
                process.end()
            self.ground.close()

    def trouble(self, *, is_read: bool = False) -> Trouble:
        """What happens to the request that reaches the store now."""
        if self._is_ending:
            return "none"
        if not is_read:
            self.requests += 1
        drawn = self.chance.draw(40)
        if drawn == 39:
            return "refused"
        return "lost" if drawn in (37, 38) and not is_read else "none"

    def is_split(self) -> bool:
        """Whether others run between this request's plan and its commit."""
        return self._splits and not self._is_ending and self.chance.draw(4) == 3

    def fail(self, process: Process, what: str, how: str) -> StoreUnavailable:
        """The error of a request that fails."""
        self.troubles[how] += 1
        self.say(process, f"{what} → the store fails: {how}")
        return StoreUnavailable("simulated:", how)

    def say(self, process: Process, text: str) -> None:
        """A line for the trace."""
        self.lines.append(Line(self.turn, self.clock.now_us(), process.alias, text))

    def did(self, process: Process, asked: Asked, text: str) -> None:
        """A request was done; its line tells when it was asked, if others have run since."""
        since = f" (asked in turn {process.asked})" if process.asked < self.turn - 1 else ""
        if asked.is_early:
            self.early["committed as planned"] += 1
        elif asked.was_stale:
            since = f"{since} (planned again, as its facts were stale)"
            self.early["refused by the store, and planned again"] += 1
        if asked.answer is not None or not self._is_ending:
            self.say(process, text + since)

    def digest(self) -> str:
        """Of all that happened and all that was committed: the same for the same seed, in every process."""
        made = hashlib.blake2b(digest_size=16)
        for line in self.lines:
            made.update(repr(line).encode())
        for entry in self.judge.book.feed:
            head = (entry.run_id, entry.seq, entry.kind, entry.name, entry.at_us, entry.status, entry.position)
            made.update(repr(head).encode() + encode(dict(entry.data)))
        return made.hexdigest()

    def interleaving(self) -> int:
        """Of who did what in which order, times left out: the same number for the same interleaving."""
        text = "\n".join(f"{line.who} {line.text}" for line in self.lines)
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

    def _settings(self) -> Settings:
        chance = self.chance
        return Settings(
            ttl_s=chance.pick((60, 600, 600, 30)),
            lease_s=chance.pick((10.0, 10.0, 3.0, 30.0)),
            cancel_grace_s=chance.pick((5.0, 5.0, 30.0)),
            completion=chance.pick(("complete_wins", "complete_wins", "cancel_wins")),
            lease_lost=chance.pick(("reclaim", "reclaim", "fail")),
            retry_window_s=chance.pick((60.0, 60.0, 2.0)),
            losses_max=chance.pick((100, 2, 0)),
        )

    def _begin(self, act: Act, process: Process) -> Coroutine[Any, Any, None]:
        return act(self.stage, process, self._runtime(process))

    def _runtime(self, process: Process) -> DrivenRuntime:
        return self.stage.runtime(Door(self, process), SkewedClock(self.clock, self._skews[process.name]))

    def _moved_s(self) -> float:
        return self.moved_us / SECOND_US

    def _guarded(self, do: Callable[[], None]) -> None:
        """Do it; whatever the runtime or the store raises beside what they declare breaks an invariant."""
        self.judge.moments["declared"] += 1
        try:
            do()
        except Broken:
            raise
        except Exception as error:
            if self.judge.broken is not None:
                raise self.judge.broken from error
            raise self.judge.undeclared(error) from error
        if self.judge.broken is not None:  # somebody has caught it
            raise self.judge.broken

    def _take_turn(self, who: str) -> None:
        self.clock.advance(_TURN_US / SECOND_US)
        self.moved_us += _TURN_US
        if self.disk.mode != "sound" and self.turn >= self._disk_until:
            self.disk.mode = "sound"
            self._happened("disk", "it is sound again")
        process = self._processes.get(who)
        if process is None:
            {"clock": self._jump, "reaper": self._reap, "disk": self._break, "reboot": self._reboot}[who]()
        elif process.silent:
            process.silent -= 1
        else:
            process.go_on()

    def _happened(self, what: str, text: str) -> None:
        self.lines.append(Line(self.turn, self.clock.now_us(), what, text))

    def _jump(self) -> None:
        settings = self.stage.settings
        far = (
            0.5,
            1.0,
            0.5,
            2.0,
            settings.lease_s,
            4.0,
            settings.cancel_grace_s,
            settings.lease_s,
            30.0,
            settings.ttl_s,
        )
        seconds = self.chance.pick((*far, -0.3, -1.0, -20.0))
        self.clock.advance(seconds)
        self.moved_us += max(0, round(seconds * SECOND_US))
        self._happened("clock", f"{'forward' if seconds > 0 else 'back'} by {abs(seconds):g} s")

    def _reap(self) -> None:
        names = tuple(self._processes)
        process = self._processes[names[self.chance.draw(len(names))]]
        alias, point = process.alias, process.die()
        self.crashes[process.kind, point] += 1
        self._happened(alias, f"dies, {CRASHES[point]}")

    def _break(self) -> None:
        self.disk.mode = self.chance.pick(("full", "read-only"))
        self._disk_until = self.turn + 4 + self.chance.draw(12)
        self._happened("disk", f"it is {self.disk.mode}")

    def _reboot(self) -> None:
        if self.chance.draw(4) == 3 or not self.ground.survives:
            return
        for process in self._processes.values():
            self.crashes[process.kind, process.die()] += 1
        self.ground.crash()
        self.crashes["store", "open"] += 1
        self._happened("reboot", "all processes die; the store is opened from what is on the disk")
        self.judge.kept(self.ground.store)

    def _end(self) -> None:
        """Nobody asks any more; time passes, what is due is done, and readers read to the end."""
        for process in self._processes.values():
            process.end()
        self._is_ending, self.disk.mode = True, "sound"
        janitor = Process("janitor-1", "janitor", partial(self._begin, sweeper))
        self._skews["janitor-1"] = 0
        runtime = self.stage.runtime(Door(self, janitor), self.clock)
        book = self.judge.book
        self._happened("world", "nobody asks any more; time passes, and what is due is done")
        for _ in range(_ROUNDS_MAX):
            self._finish(runtime.sweep())
            if not book.active and not any(book.queue.values()):
                break
            self.clock.advance(_ROUND_S)
        store = self.ground.store
        if self.ground.survives:
            self.ground.crash()
            store = self.ground.store
        self.judge.kept(store)
        for reader in self.stage.readers.values():
            behind = reader.read[-1][0] + 1 if reader.read else 1
            reader.read.extend((behind, entry) for entry in store.feed(reader.until[0], 1_000_000))
        self.judge.ended(tuple(self.stage.readers.values()))

    @staticmethod
    def _finish(life: Coroutine[Any, Any, tuple[Answer, ...]]) -> None:
        try:
            while True:
                life.send(None)
        except StopIteration:
            return


def _told(settings: Settings) -> str:
    """The settings that matter to a trace."""
    return (
        f"ttl {settings.ttl_s} s, lease {settings.lease_s:g} s, cancel grace {settings.cancel_grace_s:g} s, "
        f"{settings.completion}, lost leases: {settings.lease_lost}, retries known for {settings.retry_window_s:g} s, "
        f"{settings.losses_max} losses kept"
    )
