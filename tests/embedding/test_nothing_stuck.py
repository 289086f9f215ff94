"""Nothing is stuck: a simulated day of workers that die, hang and wake, clocks that jump, and cancels at every point.

One thread, a clock set by hand, one seeded source: the same day every time. Nobody but `sweep` is reliable, and it
comes when `next_deadline` says. At the end every run has ended, and every create that waited was born and has ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from random import Random
from typing import Any

import pytest

from runengine.core import SECOND_US, TERMINAL, FunctionCall, Status, ToolCall, ToolOutput
from runengine.embedding import Answer, ManualClock, Runtime, Settings
from runengine.stores import RunQuery, Store
from runengine.stores.memory import MemoryStore
from runengine.stores.opening import open_store
from runengine.testing.store_suite.base import all_rows, check_sound

T0_US = 1_700_000_000 * SECOND_US
DAY_US = 86_400 * SECOND_US
LIVE: tuple[Status, ...] = ("queued", "in_progress", "requires_action", "cancelling")
CALLS = (ToolCall(id="call_1", function=FunctionCall(name="now", arguments="")),)
OUTPUTS = (ToolOutput(tool_call_id="call_1", output="12:00"),)


class Day:
    """A day with so many creates.

    Args:
        store: Where the runs are kept.
        seed: Of everything that happens by chance.
        creates: How many.
        settings: The host's choices.
    """

    def __init__(self, store: Store, seed: int, creates: int, settings: Settings) -> None:
        self.store = store
        self.chance = Random(seed)
        self.clock = ManualClock(T0_US)
        self.runtime = Runtime(store, clock=self.clock, settings=settings)
        self.creates = creates
        self.threads = [f"thread_{n}" for n in range(max(3, creates // 20))]
        self.held: list[tuple[str, int]] = []
        self.answers: Counter[str] = Counter()
        self.asked: set[str] = set()
        self.withdrawn: set[str] = set()
        self.latest_us = T0_US

    def live(self) -> None:
        """Everything that happens, in no order."""
        doings: list[tuple[Callable[[], None], int]] = [
            (self.create, 6),
            (self.claim, 6),
            (self.work, 8),
            (self.submit, 2),
            (self.cancel, 2),
            (self.host, 1),
            (self.sweep, 2),
            (self.jump, 1),
        ]
        actions = [doing for doing, _ in doings]
        weights = [weight for _, weight in doings]
        while len(self.asked) < self.creates:
            self.clock.set(self.clock.now_us() + self.chance.randrange(int(2 * DAY_US / self.creates / 4)))
            self.latest_us = max(self.latest_us, self.clock.now_us())
            (doing,) = self.chance.choices(actions, weights)
            doing()

    def come_to_an_end(self) -> int:
        """Nobody works any more; somebody sweeps at each next deadline. Returns how often that was."""
        times = 0
        while (due := self.runtime.next_deadline()) is not None:
            self.clock.set(max(self.clock.now_us(), due[0]))
            assert self.count(self.runtime.sweep()), due
            times += 1
            assert times < 20 * self.creates
        return times

    def create(self) -> None:
        """Somebody asks for a run, in one of the three ways, often on a busy thread, sometimes twice."""
        run_id = f"run_{len(self.asked)}"
        thread: Any = self.chance.choice(("reject", "enqueue", "enqueue", "interrupt"))
        ttl_s = self.chance.choice((5, 60, 600, 7_200))
        thread_id = self.chance.choice(self.threads)
        answer = self.runtime.create(thread_id, "a", "m", run_id=run_id, ttl_s=ttl_s, thread=thread, key=run_id)
        self.count((answer,))
        if answer.ok:
            self.asked.add(run_id)
            if self.chance.random() < 0.1:
                again = self.runtime.create(thread_id, "a", "m", run_id=run_id, ttl_s=ttl_s, thread=thread, key=run_id)
                assert (again.kind, again.run_id) == ("waiting" if answer.kind == "waiting" else "replayed", run_id)

    def claim(self) -> None:
        """A worker claims, and may be dead a moment later."""
        answer = self.runtime.claim(f"worker_{self.chance.randrange(9)}", lease_s=self.chance.choice((1, 30, 300)))
        if answer is not None:
            self.count((answer,))
            assert answer.fence is not None
            if self.chance.random() < 0.8:
                self.held.append((answer.run_id, answer.fence))

    def work(self) -> None:
        """A worker that lives, perhaps without its lease, does something; one that hangs is heard of much later."""
        if not self.held:
            return
        run_id, fence = place = self.chance.choice(self.held)
        doing = self.chance.choice(("beat", "beat", "complete", "fail", "ask", "release", "stop", "hang", "exhaust"))
        if doing == "hang":
            return
        if doing == "beat":
            self.count((self.runtime.heartbeat(run_id, fence),))
            return
        self.held.remove(place)
        calls: dict[str, Callable[[], Answer]] = {
            "complete": lambda: self.runtime.complete(run_id, fence=fence),
            "exhaust": lambda: self.runtime.exhaust_tokens(run_id, "max_prompt_tokens", fence=fence),
            "fail": lambda: self.runtime.fail(run_id, "odd", "sorry", fence=fence),
            "ask": lambda: self.runtime.require_action(run_id, CALLS, fence=fence),
            "release": lambda: self.runtime.release(run_id, fence),
            "stop": lambda: self.runtime.finish_cancel(run_id, fence=fence),
        }
        self.count((calls[doing](),))

    def submit(self) -> None:
        """The outputs of one of the runs that ask for them come; those of many never do."""
        asking = self.store.runs(RunQuery(statuses=("requires_action",), limit=5))
        if asking:
            self.count((self.runtime.submit_tool_outputs(self.chance.choice(asking).run.id, OUTPUTS),))

    def cancel(self) -> None:
        """A run is cancelled wherever it is, or a create that waits is taken back."""
        waiting = self.store.waiting(limit=3)
        if waiting and self.chance.random() < 0.2:
            create = self.chance.choice(waiting)
            answer = self.runtime.cancel(create.run_id)
            assert answer.kind == "withdrawn"
            self.withdrawn.add(create.run_id)
        else:
            open_rows = self.store.runs(RunQuery(statuses=LIVE, limit=20, newest_first=self.chance.random() < 0.5))
            if not open_rows:
                return
            answer = self.runtime.cancel(self.chance.choice(open_rows).run.id)
        self.count((answer,))

    def host(self) -> None:
        """A host starts a run without a lease, and is gone."""
        queued = self.store.runs(RunQuery(statuses=("queued",), limit=5))
        if queued:
            self.count((self.runtime.start(self.chance.choice(queued).run.id),))

    def sweep(self) -> None:
        """Somebody sweeps, and every open run can say who holds it and what comes next."""
        self.count(self.runtime.sweep())
        self.explain(20)

    def jump(self) -> None:
        """The clock goes back by up to an hour, or forward, or is put right."""
        now = self.clock.now_us()
        hour = 3_600 * SECOND_US
        self.clock.set(self.chance.choice((now - self.chance.randrange(hour), now + hour, self.latest_us, now)))
        self.latest_us = max(self.latest_us, self.clock.now_us())

    def explain(self, limit: int) -> None:
        """`why` names for open runs the holder, if any, and a deadline that is no later than their expiry."""
        for row in self.store.runs(RunQuery(statuses=LIVE, limit=limit)):
            why = self.runtime.why(row.run.id)
            assert why is not None
            assert (why.holder, why.held_until_us) == (row.owner, row.lease_until_us)
            assert (row.owner is not None) == (row.lease_until_us is not None)
            if row.owner is not None:
                assert row.owner in why.text
            assert why.deadline_us is not None
            assert row.run.expires_at is not None
            assert why.deadline_us <= row.run.expires_at * SECOND_US
            assert why.then in why.text

    def count(self, answers: tuple[Answer, ...]) -> int:
        """Remember what was answered."""
        self.answers.update(f"{answer.event} {answer.kind}" for answer in answers)
        return len(answers)


CHOICES = (
    Settings(),
    Settings(lease_lost="fail", completion="cancel_wins", losses_max=3),
    Settings(cancel_grace_s=7_200, lease_s=7_200),
)


@pytest.mark.parametrize("settings", CHOICES, ids=("default", "strict", "slow"))
@pytest.mark.parametrize(("kind", "creates"), [("memory", 3_000), ("sqlite", 250), ("postgres", 400)])
def test_every_run_ends(request: pytest.FixtureRequest, kind: str, creates: int, settings: Settings) -> None:
    """After a day in which everything goes wrong, sweeping alone ends every run, and lets in every create."""
    url = "memory:" if kind == "memory" else request.getfixturevalue(f"{kind}_url")
    with closing(open_store(url)) as store:
        day = Day(store, creates, creates, settings)
        day.live()
        day.explain(10_000)
        check_sound(store)
        left = len(store.runs(RunQuery(statuses=LIVE, limit=10_000)))
        assert left > 0
        times = day.come_to_an_end()
        assert times <= 8 * (left + len(day.asked))
        ended = {row.run.id: row.run.status for row in all_rows(store)}
        assert set(ended) == day.asked - day.withdrawn
        assert set(ended.values()) == set(TERMINAL)
        assert (store.waiting(), store.next_deadline(), day.runtime.claim("worker_1")) == ((), None, None)
        check_sound(store)
    happened = {"create waiting", "create busy", "claim applied", "heartbeat applied", "complete lost"}
    happened |= {"cancel withdrawn", "expire applied", "finish_cancel applied", "submit_tool_outputs applied"}
    happened |= {"release applied", "start applied", "fail applied", "heartbeat lost"}
    if settings.lease_lost == "reclaim":
        happened |= {"complete fenced", "heartbeat fenced", "lease_lost applied"}
    assert happened <= set(day.answers), happened - set(day.answers)


def test_the_same_seed_is_the_same_day() -> None:
    """A day can be lived again, answer by answer."""
    days = []
    for _ in range(2):
        day = Day(MemoryStore(), 7, 100, Settings())
        day.live()
        day.come_to_an_end()
        days.append((day.answers, all_rows(day.store)))
    assert days[0] == days[1]


def test_nothing_but_a_sweep_is_needed() -> None:
    """Runs that nobody ever touches again end at their deadlines, in as many sweeps as there are deadlines."""
    day = Day(MemoryStore(), 1, 50, Settings(thread="enqueue"))
    for number in range(50):
        assert day.runtime.create("thread_1", "a", "m", run_id=f"run_{number}").ok
    assert day.come_to_an_end() == 50
    assert [row.run.created_at for row in all_rows(day.store)] == [1_700_000_000 + 600 * n for n in range(50)]
