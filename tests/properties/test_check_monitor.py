"""The monitor: it finds what the checker finds, and a snapshot changes nothing of what it will find."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.core.table import POLICIES
from runengine.validation import Checker, Options
from runengine.validation.monitor import Monitor
from runengine.validation.observations import Item
from tests.recall.files import written
from tests.validation.mixtures import MIXTURES, Mixture, items_of_file

FEW = settings(max_examples=settings().max_examples // 5)
limits = st.fixed_dictionaries(
    {"runs_max": st.integers(1, 8) | st.just(100), "stale_after_s": st.none() | st.floats(0.1, 100) | st.just(1e6)}
)
options = st.builds(
    Options,
    policy=st.sampled_from(tuple(POLICIES.values())),
    forget_after=st.integers(0, 4) | st.just(100),
    sampling=st.sampled_from(("auto", "complete", "polled")),
)


def items_in(mixture: Mixture) -> list[Item]:
    """The items of a file of these recordings, in order of time."""
    return items_of_file(written(mixture.made).text, mixture.view)


@FEW
@given(MIXTURES, st.sampled_from(tuple(POLICIES.values())))
def test_it_is_the_checker(mixture: Mixture, policy: Any) -> None:
    """With nothing evicted, the monitor finds what the checker finds, at the same lines, and counts the same."""
    items = items_in(mixture)
    checker, monitor = Checker(Options(policy=policy)), Monitor(Options(policy=policy), name="made")
    wanted = list(checker.check("made", items))
    found = [violation for item in items for violation in monitor.observe(item)]
    found += monitor.close()
    assert sorted(found, key=repr) == sorted(wanted, key=repr)
    assert monitor.summary == checker.summary
    assert monitor.evicted == {"ended": 0, "over_runs_max": 0, "stale": 0, "not_json": 0}


@FEW
@given(MIXTURES, options, limits, st.data())
def test_a_snapshot_changes_nothing(
    mixture: Mixture, held_to: Options, limited: dict[str, Any], data: st.DataObject
) -> None:
    """Restored at any places, as often as may be, a monitor finds, counts and forgets what the other one does."""
    items = items_in(mixture)
    cuts = data.draw(st.sets(st.integers(0, len(items)), min_size=1, max_size=4))
    kept, restored = Monitor(held_to, **limited), Monitor(held_to, **limited)
    for number, item in enumerate(items):
        if number in cuts:
            restored = Monitor.restore(restored.snapshot(), held_to)
        stream = f"stream {item.line % 2}"
        assert restored.observe(item, stream=stream) == kept.observe(item, stream=stream)
    restored = Monitor.restore(restored.snapshot(), held_to)
    assert (restored.summary, restored.evicted, len(restored)) == (kept.summary, kept.evicted, len(kept))
    assert restored.snapshot() == kept.snapshot()
    assert restored.close() == kept.close()


@FEW
@given(MIXTURES, options, limits)
def test_it_is_bounded(mixture: Mixture, held_to: Options, limited: dict[str, Any]) -> None:
    """However many runs come by, no more of them are remembered than was said."""
    monitor = Monitor(held_to, **limited)
    for item in items_in(mixture):
        monitor.observe(item)
        assert len(monitor) <= limited["runs_max"]
    kept = Counter(json.loads(line)[0] for line in monitor.snapshot().splitlines()[2:])
    assert kept["open"] == len(monitor)
    assert kept["ended"] <= held_to.forget_after + 1  # the last item's own run
