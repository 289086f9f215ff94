"""The profile of a corpus: how well it fits the policy, which ways its runs went, and how long each step took.

Memory: of each run that is open about 1 kB, of those that ended the same for the `forget_after` that did so last in a
recording (a run that comes back after that counts as a new one); 1,000 variants; and for each of the at most 72 edges
three histograms of at most 3,935 buckets. Nothing grows with the number of runs that are done with. Source: DESIGN §5.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from runengine.core.candidates import era_of, span
from runengine.core.statuses import QUEUED, STATUSES, Status
from runengine.core.table import PRACTICAL, TERMINAL, Policy, Transition
from runengine.core.trace import hidden_steps
from runengine.validation.catalogue import RULES
from runengine.validation.findings import Violation
from runengine.validation.observations import Item, Observation, Sampling, shows_all
from runengine.validation.profiling.counts import Counts, Undeclared, as_dict
from runengine.validation.profiling.dwell import Times, moment_of
from runengine.validation.profiling.variants import Example, Trail
from runengine.validation.rules.layout import layout_of
from runengine.validation.rules.path import Point, path_findings, way_between
from runengine.validation.rules.stamps import is_seconds
from runengine.validation.rules.threads import is_another
from runengine.validation.summary import FORGET_AFTER, SKEW_S

__all__ = ["Profile"]

_TIMES = ("created_at", "started_at", "completed_at", "failed_at", "cancelled_at")
_BORN = Point(status=QUEUED, record={"started_at": None})


class _Life:
    """What is kept of a run between its snapshots."""

    __slots__ = ("birth", "complete", "example", "fits", "misfits", "point", "replayed", "times", "trail")

    def __init__(self, example: Example) -> None:
        self.example = example
        self.birth: dict[str, Any] = {}
        self.point: Point | None = None
        self.complete = False
        self.fits = True
        self.replayed = 0
        self.misfits = 0
        self.times = Times()
        self.trail = Trail()


class Profile:
    """Counts over everything that is checked: a watch for a `Checker`.

    A run is what one recording shows of it, with `--join` too.

    A *step* is two snapshots of a run, one after the other, between which something happened: the status differs, or
    started_at was written anew. It is *explained* where the rules on the path (RE101, RE102, RE106, RE205, under this
    policy) find no error in it: it is a row of the policy, or hidden rows of the policy agree with its stamps; no step
    leaves a terminal status. Which rules are reported makes no difference to that.

    **Replay fitness** of a run is 1 - misfits / replayed. An explained step adds to `replayed` the number of rows that
    explain it, hidden ones included; any other step adds one to both. A run without steps has 1. `replay_by_run` is
    the mean over the runs, `replay_by_step` is 1 - misfits / replayed of the sums.

    Args:
        policy: Which steps are legal.
        sampling: Whether every status is visible.
        skew_s: How far clocks may differ, seconds.
        forget_after: How many ended runs are remembered.

    Attributes:
        policy: The same.

    Example:
        >>> from runengine.validation.catalogue.examples import record
        >>> from runengine.validation.checker import Checker
        >>> profile = Profile()
        >>> snapshots = [Observation(record(status), line) for line, status in enumerate(("queued", "completed"), 1)]
        >>> _ = list(Checker(watches=[profile]).check("a.jsonl", snapshots))
        >>> profile.as_dict()["variants"][0]["way"]
        'queued → completed'
    """

    def __init__(
        self,
        policy: Policy = PRACTICAL,
        *,
        sampling: Sampling = "auto",
        skew_s: float = SKEW_S,
        forget_after: int = FORGET_AFTER,
    ) -> None:
        self.policy = policy
        self._sampling: Sampling = sampling
        self._skew_s = skew_s
        self._forget_after = forget_after
        self._counts = Counts()
        self._path = ""
        self._open: dict[str, _Life] = {}
        self._ended: OrderedDict[str, _Life] = OrderedDict()
        self._threads: OrderedDict[str, int] = OrderedDict()

    def see(self, path: str, item: Item, found: Sequence[Violation]) -> None:
        """Take one item."""
        if path != self._path:
            # The last recording broke off, or it would have ended.
            self._close()
            self._path = path
        life = self._observe(path, item) if isinstance(item, Observation) else None
        self._blame(found, life)
        if isinstance(item, Observation) and life is not None and life.example.run_id is None:
            self._count(life)

    def end(self, path: str, found: Sequence[Violation]) -> None:  # noqa: ARG002
        """The recording has ended."""
        self._blame(found, None)
        self._close()

    def _blame(self, found: Sequence[Violation], unnamed: Any) -> None:
        """The runs that errors were found in do not fit; one without an id is that of a run without one."""
        for violation in found:
            if violation.severity != "error":
                continue
            life = self._known(violation.run_id) if violation.run_id is not None else unnamed
            if life is not None:
                life.fits = False

    def merge(self, other: Profile) -> Profile:
        """The profile of both corpora: of every recording of this one that has ended, then of the other's.

        Args:
            other: Of the same policy.

        Raises:
            ValueError: it is of another policy.

        Example:
            >>> Profile().merge(Profile()).as_dict() == Profile().as_dict()
            True
        """
        if other.policy.edges != self.policy.edges:
            raise ValueError(f"a profile of {other.policy.name} cannot be merged with one of {self.policy.name}")
        both = Profile(self.policy, sampling=self._sampling, skew_s=self._skew_s, forget_after=self._forget_after)
        both._counts.take(self._counts)
        both._counts.take(other._counts)
        return both

    def as_dict(self) -> dict[str, Any]:
        """The profile of every recording that has ended, as reports carry it, in a fixed order.

        Shares are from 0 to 1, or None where there is nothing to share; durations are seconds, within 1 % of the exact
        ones but for `max`, which is exact; all numbers of an edge are of its own source and target.

        - `policy`: name of the policy that fitness and edges are about.
        - `runs`, `runs_ended`, `runs_per_thread_most`, `observations`: counts; a run has ended if its last snapshot is
          terminal; the most runs on one thread of a recording.
        - `span_s`: `from`, `until`: first and last stamp or observation time, Unix seconds; None without any.
        - `sources`: snapshots by source. `statuses`: snapshots by status. `unknown_statuses`: snapshots of no status.
        - `generations`: runs by the generations that the first snapshot may be of.
        - `fitness`: `runs_without_error` (share; errors that were reported), `steps`, `steps_judged` (as `complete`,
          one row each, or `polled`), `steps_undeclared`, `steps_contradicted` (a way exists, but not with these
          stamps), `steps_explained` (share), `replayed`, `replay_by_step`, `replay_by_run`.
        - `variants`: `way` (tool rounds folded; an ellipsis where the run had not ended, or went on for longer than is
          kept), `ended`, `runs`, `share` of all runs, `example` (`run_id`, `path`, `line` of the first snapshot).
          `variants_other_runs`: runs of the variants beyond 1,000, which are those of the most statuses.
        - `edges`: every edge of the policy: `event`, `observed` (between two snapshots), `hidden` (in a gap, or before
          the first snapshot of a polled run), `dwell_s` (`n`, `p50`, `p90`, `p99`, `max` of the stays before it that
          are known) and `dwell_bounds_s` (`n`, and the same of `at_least` and of `at_most`, of those that only the
          times of polls bound); None where there are none.
        - `never_seen`: edges of the policy that no run took.
        - `undeclared`: edges outside the policy that runs took: `count`, `examples` (the first three; `line` of the
          snapshot at the end of the step).
        """
        return as_dict(self._counts, self.policy)

    def _known(self, run_id: str) -> _Life | None:
        return self._open.get(run_id) or self._ended.get(run_id)

    def _observe(self, path: str, item: Observation) -> _Life:
        counts, record = self._counts, item.record
        run_id, thread_id, status = record.get("id"), record.get("thread_id"), record.get("status")
        counts.observations += 1
        counts.sources[item.source] += 1
        self._span(item)
        life = self._known(run_id) if isinstance(run_id, str) else None
        if life is None:
            life = _Life(Example(run_id if isinstance(run_id, str) else None, path, item.line))
            if isinstance(run_id, str):
                self._open[run_id] = life
            self._thread(thread_id)
        if status not in STATUSES:
            counts.unknown_statuses += 1
            return life
        if life.point is not None and isinstance(run_id, str) and is_another(life.birth, item):
            life = self._renew(run_id, life, Example(run_id, path, item.line))
            self._thread(thread_id)
        life.birth = {"created_at": record.get("created_at"), "thread_id": thread_id}
        counts.statuses[status] += 1
        self._step(life, item, status)
        if isinstance(run_id, str):
            self._keep(run_id, life, status)
        return life

    def _step(self, life: _Life, item: Observation, status: Status) -> None:
        before, complete = life.point, shows_all(item.source, self._sampling)
        now = Point(status=status, record={"started_at": item.record.get("started_at")}, observed_s=item.observed_s)
        rows: tuple[Transition, ...] = ()
        if before is None:
            self._first(item, now, complete)
        elif before.status != status or before.record != now.record:
            rows = self._judge(life, before, now, complete and life.complete, item)
        if before is None or before.status != status:
            life.trail.see(status)
        life.times.see(item, status, again=bool(rows))
        life.point, life.complete = now, complete

    def _first(self, item: Observation, now: Point, complete: bool) -> None:
        """A polled run was created queued, whatever it is in its first snapshot."""
        types = tuple(map(type, item.record.values()))
        layout = layout_of(now.status, tuple(item.record), types, era_of(item.record.get("created_at")))
        self._counts.generations[span(layout.candidates)] += 1
        if complete:
            return
        rows = way_between(_BORN, now, self.policy, False, self._skew_s) or ()
        for row in rows:
            if row.edge in self.policy.edges:
                self._counts.edge(row.edge).hidden += 1
        self._stays(Times(), rows, None, item)

    def _judge(
        self, life: _Life, before: Point, now: Point, complete: bool, item: Observation
    ) -> tuple[Transition, ...]:
        """Count a step; the rows that explain it, if it is one."""
        counts = self._counts
        pair = (before.status, now.status)
        if before.status in TERMINAL:
            if before.status != now.status:
                self._misfit(life, complete, [pair], item)
            return ()
        rows = way_between(before, now, self.policy, complete, self._skew_s)
        found = path_findings(before, now, self.policy, complete, self._skew_s)
        wrong = any((finding.severity or RULES[finding.code].severity) == "error" for finding in found)
        if rows == () and not wrong:
            return ()
        for row in rows or ():
            if row.edge in self.policy.edges:
                edge = counts.edge(row.edge)
                edge.observed += len(rows or ()) == 1
                edge.hidden += len(rows or ()) > 1
        if rows:
            self._stays(life.times, rows, before.record["started_at"], item)
        if wrong:
            odd = [row.edge for row in rows or () if row.edge is not None and row.edge not in self.policy.edges]
            if rows is None and before.status != now.status and (complete or not self._reaches(*pair)):
                odd = [pair]
            self._misfit(life, complete, odd, item)
        else:
            counts.steps["complete" if complete else "polled"] += 1
            life.replayed += len(rows or ())
        return rows or ()

    def _misfit(
        self, life: _Life, complete: bool, undeclared: Sequence[tuple[Status, Status]], item: Observation
    ) -> None:
        counts = self._counts
        counts.steps["complete" if complete else "polled"] += 1
        counts.steps_undeclared += bool(undeclared)
        counts.steps_contradicted += not undeclared
        life.replayed += 1
        life.misfits += 1
        for pair in undeclared:
            counts.undeclared.setdefault(pair, Undeclared()).see(life.example._replace(path=self._path, line=item.line))

    def _reaches(self, source: Status, target: Status) -> bool:
        return any(hidden_steps(self.policy, source, target, restarted) is not None for restarted in (False, True))

    def _stays(self, times: Times, rows: Sequence[Transition], started_at: Any, item: Observation) -> None:
        for stay in times.stays(rows, started_at, item):
            if (stay.source, stay.target) in self.policy.edges:
                self._counts.edge((stay.source, stay.target)).stay(stay)

    def _span(self, item: Observation) -> None:
        seen_s = moment_of(item)
        if seen_s is not None:
            self._counts.at(seen_s)
        for name in _TIMES:
            stamp = item.record.get(name)
            if is_seconds(stamp):
                self._counts.at(stamp)

    def _renew(self, run_id: str, life: _Life, example: Example) -> _Life:
        """The id was given to another run (RE502)."""
        self._open.pop(run_id, None)
        self._ended.pop(run_id, None)
        self._count(life)
        made = self._open[run_id] = _Life(example)
        return made

    def _thread(self, thread_id: Any) -> None:
        if not isinstance(thread_id, str):
            return
        runs = self._threads[thread_id] = self._threads.get(thread_id, 0) + 1
        self._counts.runs_per_thread_most = max(self._counts.runs_per_thread_most, runs)
        if len(self._threads) > self._forget_after:
            self._threads.popitem(last=False)

    def _keep(self, run_id: str, life: _Life, status: Status) -> None:
        if status in TERMINAL:
            self._open.pop(run_id, None)
            self._ended[run_id] = life
            if len(self._ended) > self._forget_after:
                self._count(self._ended.popitem(last=False)[1])
        elif run_id in self._ended:
            self._open[run_id] = self._ended.pop(run_id)

    def _close(self) -> None:
        for life in (*self._ended.values(), *self._open.values()):
            self._count(life)
        self._ended.clear()
        self._open.clear()
        self._threads.clear()
        self._path = ""

    def _count(self, life: _Life) -> None:
        counts = self._counts
        ended = life.point is not None and life.point.status in TERMINAL
        counts.runs += 1
        counts.runs_ended += ended
        counts.runs_without_error += life.fits
        counts.replay(life.replayed, life.misfits)
        counts.variants.add(life.trail, ended, life.example)
