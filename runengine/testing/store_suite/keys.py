"""The suite's tests of idempotency: by key, and by the body of a retried create."""

from __future__ import annotations

import pytest

from runengine.embedding import Answer, ManualClock, Runtime
from runengine.stores import Store
from runengine.testing.store_suite.base import MakeRuntime, Suite, all_rows, at_once, born, names

__all__ = ["KeyTests"]


def _asked(runtime: Runtime, **more: object) -> Answer:
    create = {"thread_id": "thread_1", "assistant_id": "asst_1", "model": "gpt-4o", **more}
    return runtime.create(**create)  # type: ignore[arg-type] # what a test varies


class KeyTests(Suite):
    """The same request gets the same answer.

    Example:
        >>> KeyTests.test_a_key_replays.__doc__
        'The same create under the same key has the answer it had, whatever has become of the run.'
    """

    def test_a_key_replays(self, runtime: Runtime, store: Store) -> None:
        """The same create under the same key has the answer it had, whatever has become of the run."""
        first = _asked(runtime, key="key_1")
        runtime.start(first.run_id)
        again = _asked(runtime, key="key_1", retry=3)
        assert (again.kind, again.run_id, again.run, again.version) == ("replayed", first.run_id, first.run, 1)
        assert again.or_raise() is again
        assert len(all_rows(store)) == 1

    def test_a_key_replays_every_event(self, runtime: Runtime) -> None:
        """An event under a key is applied once, and answered alike ever after, beyond the end too."""
        born(runtime)
        runtime.start("run_1", key="start")
        first = runtime.cancel("run_1", "enough", key="cancel")
        runtime.finish_cancel("run_1", key="finish")
        again = runtime.cancel("run_1", "enough", key="cancel")
        assert (again.kind, again.run, again.version) == ("replayed", first.run, first.version)
        assert again.status == "cancelling"
        assert runtime.start("run_1", key="start").kind == "replayed"
        assert runtime.finish_cancel("run_1", key="finish").status == "cancelled"
        assert names(runtime.history("run_1")) == ["create", "start", "cancel", "finish_cancel"]

    def test_a_key_stands_for_one_request(self, runtime: Runtime) -> None:
        """A key used for another request, another run or another event is refused."""
        _asked(runtime, run_id="run_1", key="key_1")
        born(runtime, "run_2")
        runtime.modify("run_2", {"n": 1}, key="key_2")
        for answer in (
            _asked(runtime, run_id="run_1", key="key_1", model="gpt-5"),
            _asked(runtime, run_id="run_3", key="key_1"),
            _asked(runtime, key="key_1"),
            runtime.cancel("run_1", key="key_1"),
            runtime.modify("run_2", {"n": 2}, key="key_2"),
            runtime.modify("run_1", {"n": 1}, key="key_2"),
        ):
            assert answer.kind == "guard"
            assert answer.refused is not None
            assert answer.refused.guard == "same_request"

    def test_a_refusal_keeps_no_key(self, runtime: Runtime) -> None:
        """A request that was refused may be sent again under its key, and is then decided anew."""
        born(runtime, "run_1", "thread_1")
        assert _asked(runtime, key="key_1").kind == "busy"
        assert runtime.complete("run_1", key="key_2").kind == "illegal"
        runtime.start("run_1")
        assert runtime.complete("run_1", key="key_2").kind == "applied"
        assert _asked(runtime, key="key_1").kind == "applied"

    def test_a_key_of_a_create_that_waits(self, runtime: Runtime) -> None:
        """A create that waits is answered the same under its key, and born once."""
        born(runtime, "run_1", "thread_1")
        first = _asked(runtime, key="key_1", thread="enqueue")
        again = _asked(runtime, key="key_1", thread="enqueue")
        assert (first.kind, again.kind, again.run_id) == ("waiting", "waiting", first.run_id)
        runtime.cancel("run_1")
        assert runtime.get(first.run_id) is not None
        assert _asked(runtime, key="key_1", thread="enqueue").run_id == first.run_id

    def test_a_key_of_a_withdrawal(self, runtime: Runtime) -> None:
        """A create is taken back once under a key, and the answer is given again."""
        born(runtime, "run_1", "thread_1")
        _asked(runtime, run_id="run_2", thread="enqueue")
        assert runtime.cancel("run_2", key="key_1").kind == "withdrawn"
        assert runtime.cancel("run_2", key="key_1").kind == "withdrawn"
        assert runtime.cancel("run_2").kind == "not_found"

    def test_one_key_from_many_threads(self, runtime: Runtime, store: Store) -> None:
        """Of the same create sent at once under one key one is applied, and all have its run."""
        answers = at_once(8, lambda _: _asked(runtime, key="key_1"))
        assert sorted(a.kind for a in answers) == ["applied"] + ["replayed"] * 7
        assert len({a.run_id for a in answers}) == len(all_rows(store)) == 1

    def test_keys_are_listed(self, runtime: Runtime, store: Store) -> None:
        """A store gives its keys in order, page by page."""
        born(runtime)
        for name in ("b", "a", "c"):
            runtime.modify("run_1", {"n": name}, key=name)
        keys = store.keys()
        assert [key.key for key in keys] == ["a", "b", "c"]
        assert [key.key for key in store.keys("a", 1)] == ["b"]
        key = store.keys(limit=1)[0]
        assert (key.run_id, key.event, key.seq) == ("run_1", "modify", 3)
        assert key.record is not None
        assert key.record["metadata"] == {"n": "a"}

    def test_a_retried_body(self, runtime: Runtime, clock: ManualClock) -> None:
        """A retried create without a key finds the run its body made, within the window."""
        first = _asked(runtime, metadata={"a": 1, "b": 2})
        runtime.cancel(first.run_id)
        clock.advance(60)
        again = _asked(runtime, metadata={"b": 2, "a": 1}, retry=1)
        assert (again.kind, again.run_id, again.status) == ("replayed", first.run_id, "cancelled")
        clock.advance(2)
        assert _asked(runtime, metadata={"a": 1, "b": 2}, retry=1).kind == "applied"

    @pytest.mark.parametrize(
        "change", [{"retry": 0}, {"model": "gpt-5"}, {"metadata": {"a": 2}}, {"thread_id": "thread_2"}], ids=str
    )
    def test_another_body(self, runtime: Runtime, change: dict[str, object]) -> None:
        """A create that is no retry, or of another body or thread, is another create."""
        first = _asked(runtime, metadata={"a": 1})
        runtime.cancel(first.run_id)
        answer = _asked(runtime, **{"metadata": {"a": 1}, "retry": 1, **change})
        assert answer.kind == "applied"
        assert answer.run_id != first.run_id

    def test_the_newest_of_the_same_body(self, runtime: Runtime, clock: ManualClock) -> None:
        """Where the same body made several runs, a retry means the newest."""
        ids = []
        for _ in range(3):
            ids.append(_asked(runtime).run_id)
            runtime.cancel(ids[-1])
            clock.advance(1)
        assert _asked(runtime, retry=1).run_id == ids[-1]

    def test_a_retry_of_a_create_that_waits(self, make: MakeRuntime, clock: ManualClock, store: Store) -> None:
        """A retried create that waits is known by its body, and waits once."""
        runtime = make(thread="enqueue")
        _asked(runtime, model="gpt-5")
        first = _asked(runtime)
        again = _asked(runtime, retry=1)
        assert (again.kind, again.run_id) == ("waiting", first.run_id)
        assert len(store.waiting()) == 1
        clock.advance(61)
        assert _asked(runtime, retry=1).run_id != first.run_id

    def test_a_retry_means_the_newest_create(self, make: MakeRuntime, clock: ManualClock, store: Store) -> None:
        """Where the same body made a run and later one that waits, a retry means the one that waits."""
        runtime = make(thread="enqueue")
        run = _asked(runtime)
        for gap_s in (1, 3_600):
            runtime.cancel(run.run_id)
            clock.advance(gap_s)
            other = _asked(runtime, model="gpt-5")
            waiting = _asked(runtime)
            assert waiting.kind == "waiting"
            assert _asked(runtime, retry=1).run_id == waiting.run_id
            assert len(store.waiting()) == 1
            runtime.cancel(other.run_id)
            run = waiting
