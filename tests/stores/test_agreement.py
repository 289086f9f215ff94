"""Every store and the naive runtime, driven by the same requests, agree step by step. A Hypothesis state machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from runengine.core import PRACTICAL, Create, Event, FunctionCall, ToolCall, ToolOutput, Usage
from runengine.core.events import EVENTS
from runengine.embedding import Answer, ManualClock, Runtime, Settings
from runengine.embedding.plans import Act, Birth, Context
from runengine.stores import Entry, Row, Store
from runengine.stores.folding import fold
from runengine.stores.opening import open_async_store, open_store
from runengine.testing.store_suite.base import all_rows, check_sound
from tests import naive
from tests.naive_runtime import NaiveRuntime, S, Said
from tests.stores.blocking import Blocking

OpenStores = Callable[[], dict[str, Any]]

T0_US = 1_700_000_000 * S
THREADS = ("thread_0", "thread_1")
LEASE_S, GRACE_S, WINDOW_S = 30, 20, 60
USAGE = Usage(completion_tokens=5, prompt_tokens=7, total_tokens=12)

moves = st.sampled_from(("stand",) * 6 + ("on",) * 6 + ("near", "near", "lease", "back"))
"""How time passes before a request."""

keys = st.sampled_from((None,) * 8 + tuple(f"key_{number}" for number in range(8)))
fences = st.sampled_from(("right",) * 6 + (None, None, None, 0, 1, 2))
versions = st.sampled_from((None,) * 8 + ("right", 1))


def _event(name: str, calls: tuple[str, ...], usage: Usage | None, word: str) -> Event:
    payloads: dict[str, dict[str, Any]] = {
        "start": {},
        "require_action": {
            "tool_calls": tuple(ToolCall(id=id, function=FunctionCall(name="f", arguments="")) for id in calls)
        },
        "submit_tool_outputs": {"outputs": tuple(ToolOutput(tool_call_id=id, output=word) for id in calls)},
        "cancel": {"reason": word},
        "finish_cancel": {"usage": usage},
        "complete": {"usage": usage},
        "exhaust_tokens": {"reason": "max_prompt_tokens", "usage": usage},
        "fail": {"code": "odd", "message": word, "usage": usage},
        "expire": {"usage": usage},
        "modify": {"metadata": {"word": word}},
    }
    kind: Any = EVENTS[name]
    made: Event = kind(at_us=0, **payloads[name])
    return made


def _bare(entries: tuple[Entry, ...]) -> list[Entry]:
    return [attrs.evolve(entry, position=0) for entry in entries]


class Agreement(RuleBasedStateMachine):
    """One naive runtime, and one runtime on each store, all on one clock."""

    opened: list[OpenStores]
    """Its one item opens the stores; in a list, since a function would become a method."""

    @initialize(
        completion=st.sampled_from(("complete_wins", "cancel_wins")),
        lease_lost=st.sampled_from(("reclaim", "reclaim", "fail")),
        losses_max=st.sampled_from((0, 1, 100)),
    )
    def begin(self, completion: Any, lease_lost: Any, losses_max: int) -> None:
        """Empty stores, and a host's choices."""
        self.stores: dict[str, Store] = self.opened[0]()
        self.clock = ManualClock(T0_US)
        times: dict[str, Any] = {"lease_s": LEASE_S, "cancel_grace_s": GRACE_S, "retry_window_s": WINDOW_S}
        self.settings = Settings(completion=completion, lease_lost=lease_lost, losses_max=losses_max, **times)
        self.context = Context(policy=PRACTICAL, settings=self.settings)
        self.runtimes = {
            name: Runtime(store, clock=self.clock, settings=self.settings) for name, store in self.stores.items()
        }
        self.naive = NaiveRuntime(attrs.asdict(self.settings))
        self.seen: dict[str, Row] = {}
        self.made = 0
        self.sent: list[Callable[[], None]] = []

    def teardown(self) -> None:
        """Each store is sound, and its feed is all histories."""
        for name, store in getattr(self, "stores", {}).items():
            check_sound(store)
            feed: dict[str, list[Entry]] = {}
            for entry in store.feed():
                feed.setdefault(entry.run_id, []).append(entry)
            assert feed == {run_id: list(store.history(run_id)) for run_id in feed}, name
            assert set(feed) == {row.run.id for row in all_rows(store)}, name
            store.close()

    # rules -----------------------------------------------------------------------------------------------------------

    @rule(
        move=moves,
        data=st.data(),
        thread_id=st.sampled_from(THREADS),
        thread=st.sampled_from(("reject", "enqueue", "enqueue", "interrupt")),
        ttl_s=st.sampled_from((600, 600, 600, 90, 5)),
        key=keys,
        retry=st.sampled_from((0, 0, 0, 1)),
        model=st.sampled_from(("m", "m", "n")),
    )
    def create(
        self, move: str, data: Any, thread_id: str, thread: Any, ttl_s: int, key: Any, retry: int, model: str
    ) -> None:
        """A run is asked for; without a name of its own, the id is as if made up."""
        self._pass(move)
        is_new = data.draw(st.integers(0, 5)) > 0
        named = not is_new or data.draw(st.booleans())
        run_id = self._new() if is_new else self._one(data)

        def ask(run_id: str) -> None:
            run_id = run_id if named else self._new()  # an id that is made up is never one that was there
            event = Create(at_us=0, run_id=run_id, thread_id=thread_id, assistant_id="a", model=model, ttl_s=ttl_s)
            now = self.clock.now_us()
            birth = Birth(
                context=self.context, create=event, at_us=now, thread=thread, key=key, retry=retry, named=named
            )
            answers = {name: store.execute(birth) for name, store in self.stores.items()}
            self._agree(answers, self.naive.create(now, naive.plain(event), thread, key, retry, named))

        ask(run_id)
        self.sent.append(lambda: ask(run_id))

    @precondition(lambda self: self.naive.runs)
    @rule(
        move=moves,
        data=st.data(),
        fence=fences,
        expect=versions,
        key=keys,
        usage=st.sampled_from((None, USAGE)),
        word=st.sampled_from(("x", "Grüße 🎈")),
    )
    def act(self, move: str, data: Any, fence: Any, expect: Any, key: Any, usage: Any, word: str) -> None:
        """Something happens to a run: mostly what may happen there."""
        self._pass(move)
        run_id = self._one(data, *data.draw(st.sampled_from(((), naive.LIVE[1:]))))
        run = self.naive.runs.get(run_id)
        names = (*naive.EVENT_NAMES[1:], *["cancel"] * (0 if run else 20))
        if run is not None and data.draw(st.integers(0, 5)):
            names = naive.allowed(run["record"]["status"], "practical")
            names += ("require_action", "submit_tool_outputs", "cancel") * 2 if data.draw(st.booleans()) else ()
            names = tuple(name for name in names if naive.is_legal(run["record"]["status"], name, "practical"))
        name = data.draw(st.sampled_from(names))
        calls: tuple[str, ...] = ("call_1",)
        if name == "submit_tool_outputs" and run is not None and data.draw(st.integers(0, 3)):
            calls = tuple(naive.pending_ids(run["record"]))
        elif name == "require_action":
            calls = data.draw(
                st.sampled_from((("call_1",), ("call_1", "call_2"), ("call_1",), (), ("call_1", "call_1")))
            )
        event = _event(name, calls, usage, word)
        fence = (None if run is None or not run["fence"] else run["fence"]) if fence == "right" else fence
        expect = (None if run is None else run["version"]) if expect == "right" else expect

        def ask() -> None:
            now = self.clock.now_us()
            act = Act(context=self.context, run_id=run_id, event=event, at_us=now, fence=fence, expect=expect, key=key)
            answers = {name: store.execute(act) for name, store in self.stores.items()}
            self._agree(answers, self.naive.act(now, run_id, naive.plain(event), fence, expect, key))

        ask()
        self.sent.append(ask)

    @precondition(lambda self: self.sent)
    @rule(move=moves, data=st.data())
    def again(self, move: str, data: Any) -> None:
        """A request that was sent before is sent again, word for word."""
        self._pass(move)
        data.draw(st.sampled_from(self.sent[-5:]))()

    @precondition(lambda self: any(self.naive.free_since(run) is not None for run in self.naive.runs.values()))
    @rule(move=moves, worker=st.sampled_from(("worker_0", "worker_1")), lease_s=st.sampled_from((LEASE_S, 5, 1_000)))
    def claim(self, move: str, worker: str, lease_s: int) -> None:
        """A worker claims; runs that became claimable in the same microsecond come in no order, so not then."""
        self._pass(move)
        now = self.clock.now_us()
        since = [us for us, _ in self.naive.claimable(now)]
        if len(since) != len(set(since)):
            return
        answers = {name: runtime.claim(worker, lease_s=lease_s) for name, runtime in self.runtimes.items()}
        self._agree(answers, self.naive.claim(now, worker, lease_s * S))

    @precondition(lambda self: any(run["fence"] for run in self.naive.runs.values()))
    @rule(move=moves, data=st.data(), fence=st.sampled_from(("right", "right", "right", 1, 2)), beats=st.booleans())
    def hold(self, move: str, data: Any, fence: Any, beats: bool) -> None:
        """A worker sends a heartbeat, or gives its run back."""
        self._pass(move)
        run_id = self._one(data, "in_progress", "cancelling")
        run = self.naive.runs.get(run_id)
        fence, now = (run["fence"] if run else 0) if fence == "right" else fence, self.clock.now_us()
        if beats:
            self._agree(
                {name: runtime.heartbeat(run_id, fence) for name, runtime in self.runtimes.items()},
                self.naive.heartbeat(now, run_id, fence, LEASE_S * S),
            )
        else:
            self._agree(
                {name: runtime.release(run_id, fence) for name, runtime in self.runtimes.items()},
                self.naive.release(now, run_id, fence),
            )

    @precondition(lambda self: self.naive.runs)
    @rule(move=moves)
    def sweep(self, move: str) -> None:
        """What is due is done, in any order where that is the same moment."""
        self._pass(move)
        swept = {
            name: sorted(runtime.sweep(), key=lambda answer: answer.run_id) for name, runtime in self.runtimes.items()
        }
        wanted = sorted(self.naive.sweep(self.clock.now_us()), key=lambda said: str(said["run_id"]))
        for place, said in enumerate(wanted):
            self._agree({name: answers[place] for name, answers in swept.items()}, said)
        assert {len(answers) for answers in swept.values()} == {len(wanted)}

    # what must hold --------------------------------------------------------------------------------------------------

    @invariant()
    def rows_agree(self) -> None:
        """All stores have the same rows, and they are those of the naive runtime."""
        if not hasattr(self, "stores"):
            return
        rows = {name: {row.run.id: row for row in all_rows(store)} for name, store in self.stores.items()}
        first = next(iter(rows.values()))
        for name, others in rows.items():
            assert others == first, name
        assert {run_id: self._plain(row) for run_id, row in first.items()} == {
            run_id: self._wanted(run_id) for run_id in self.naive.runs
        }
        for run_id, row in first.items():
            if self.seen.get(run_id) != row:
                self._history_agrees(run_id, row)
        self.seen = first

    @invariant()
    def queues_agree(self) -> None:
        """The same creates wait in the same order, and the same deadline is next."""
        if not hasattr(self, "stores"):
            return
        waiting = {name: {t: store.waiting(t) for t in THREADS} for name, store in self.stores.items()}
        deadlines = {name: (store.next_deadline() or (None,))[0] for name, store in self.stores.items()}
        first = next(iter(waiting.values()))
        for name, others in waiting.items():
            assert others == first, name
        queue = self.naive.queue
        assert {thread_id: [create.run_id for create in creates] for thread_id, creates in first.items()} == {
            thread_id: [create["run_id"] for create in queue if create["thread_id"] == thread_id]
            for thread_id in THREADS
        }
        times = [time for run in self.naive.runs.values() if (time := self.naive.deadline(run)) is not None]
        assert set(deadlines.values()) == {min(times, default=None)}, deadlines

    # helpers ---------------------------------------------------------------------------------------------------------

    def _pass(self, move: str) -> None:
        """Let time pass: to the microsecond before, at or after the next deadline, over a lease, or back."""
        now = self.clock.now_us()
        times = [time for run in self.naive.runs.values() if (time := self.naive.deadline(run)) is not None]
        near = min((time for time in times if time > now), default=now)
        targets = {"stand": now, "on": now + 1_000_001, "lease": now + LEASE_S * S, "back": now - 17 * S - 1,
                   "near": near - (near + len(times)) % 2}  # fmt: skip
        self.clock.set(max(0, targets[move]))

    def _new(self) -> str:
        self.made += 1
        return f"run_{self.made}"

    def _one(self, data: Any, *statuses: str) -> str:
        """A run: mostly one that has not ended; else one that has, waits, or is not there."""
        ids = {True: [], False: ["run_none", *[create["run_id"] for create in self.naive.queue] * 2]}
        for run_id, run in self.naive.runs.items():
            ids[run["record"]["status"] in (statuses or naive.LIVE)].append(run_id)
        return str(data.draw(st.sampled_from(ids[bool(ids[True]) and data.draw(st.integers(0, 6)) > 0])))

    def _agree(self, answers: dict[str, Any], said: Said | None) -> None:
        first = next(iter(answers.values()))
        for name, answer in answers.items():
            assert answer == first, name
        if said is None or first is None:
            assert said is first, (said, first)
            return
        assert isinstance(first, Answer)
        found: Said = {
            "kind": first.kind,
            "run_id": first.run_id,
            "event": first.event,
            "record": None if first.run is None else naive.plain(first.run),
            "version": first.version,
            "fence": first.fence,
            "worker": first.worker,
            "ended_by": first.ended_by,
            "active": first.active,
            "guard": None if first.refused is None else first.refused.guard,
        }
        assert {name: found[name] for name in said} == said, found

    def _plain(self, row: Row) -> Said:
        kept = attrs.asdict(row, recurse=False, filter=lambda attribute, _: attribute.name not in ("run", "digest"))
        return {**kept, "record": naive.plain(row.run)}

    def _wanted(self, run_id: str) -> Said:
        run = self.naive.runs[run_id]
        return {
            "record": run["record"],
            "version": run["version"],
            "last_us": run["last_us"],
            "arrived_us": run["arrived_us"],
            "deadline_us": self.naive.deadline(run),
            "claimable_us": self.naive.free_since(run),
            "fence": run["fence"],
            "owner": run["owner"],
            "lease_until_us": run["lease_us"],
            "cancel_until_us": run["grace_us"],
            "waiting": self.naive.behind(run),
            "losses": run["losses"],
        }

    def _history_agrees(self, run_id: str, row: Row) -> None:
        before = self.seen.get(run_id)
        histories = {name: store.history(run_id) for name, store in self.stores.items()}
        first = next(iter(histories.values()))
        for name, others in histories.items():
            assert _bare(others) == _bare(first), name
        short = [(entry.seq, entry.kind, entry.name, entry.at_us, entry.status) for entry in first]
        assert short == self.naive.runs[run_id]["history"]
        *_, (_, run) = fold(first)
        assert run == row.run
        if before is not None and before.run.status in naive.ENDS:
            assert attrs.evolve(row.run, metadata=None) == attrs.evolve(before.run, metadata=None)
            assert row.version >= before.version


@pytest.fixture
def open_stores(new_postgres_url: Callable[[], str]) -> Iterator[OpenStores]:
    """Opens each kind of store with nothing in it; the tables on PostgreSQL are made once, and emptied."""
    urls = [new_postgres_url() for _ in range(2)]
    for url in urls:
        open_store(url).close()
    with TemporaryDirectory() as folder:

        def opened() -> dict[str, Any]:
            for url in urls:
                with psycopg.connect(url) as connection:
                    connection.execute("TRUNCATE runengine_history, runengine_keys, runengine_waiting, runengine_runs")
            for old in Path(folder).iterdir():
                old.unlink()
            return {
                "memory": open_store("memory:"),
                "sqlite": open_store(f"sqlite:///{folder}/runs.db"),
                "postgres": open_store(urls[0]),
                "postgres, asyncio": Blocking(lambda: open_async_store(urls[1])),
            }

        yield opened


def _memory_only() -> dict[str, Store]:
    return {"memory": open_store("memory:")}


def _run(open_them: OpenStores, share: float) -> None:
    class Machine(Agreement):
        opened = [open_them]  # noqa: RUF012 # nobody writes to it

    examples = round(settings().max_examples * share)
    quiet = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
    chosen = settings(max_examples=examples, stateful_step_count=30, suppress_health_check=quiet)
    run_state_machine_as_test(Machine, settings=chosen)


def test_memory_agrees_with_the_naive_runtime() -> None:
    """Step by step the store in memory answers and keeps what the naive runtime does."""
    _run(_memory_only, 3)


def test_every_store_agrees(open_stores: OpenStores) -> None:
    """Step by step all stores answer and keep the same, and what the naive runtime does."""
    _run(open_stores, 1 / 3)
