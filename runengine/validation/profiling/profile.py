"""The profile of a corpus: how well it fits the policy, which ways its runs went, and how long each step took.

Memory: of each run that is open about 1 kB, of one that has ended the same until `forget_after` items of the recording
have come by since (a run that comes back after that counts as a new one); 1,000 variants; and for each of the at most
72 edges three histograms of at most 3,935 buckets. Nothing grows with the number of runs that are done with.
Source: DESIGN §5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from runengine.core.candidates import era_of, span
from runengine.core.statuses import STATUSES, Status
from runengine.core.table import PRACTICAL, Policy, Transition
from runengine.validation.findings import Violation
from runengine.validation.observations import Item, LeftOut, Observation, Sampling, shows_all
from runengine.validation.profiling.counts import Counts, Undeclared, as_dict
from runengine.validation.profiling.dwell import Times, moment_of
from runengine.validation.profiling.judging import hidden_before, judged
from runengine.validation.profiling.lives import Life, Lives
from runengine.validation.profiling.variants import Example
from runengine.validation.rules.layout import layout_of
from runengine.validation.rules.path import Point
from runengine.validation.rules.stamps import is_seconds
from runengine.validation.rules.threads import is_another
from runengine.validation.summary import FORGET_AFTER, SKEW_S

__all__ = ["Profile"]

_OTHER_POLICY: Final = "a profile of {} cannot be merged with one of {}"
_TIMES: Final = ("created_at", "started_at", "completed_at", "failed_at", "cancelled_at")


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
        forget_after: For how many items of a recording an ended run is remembered.

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
        self._lives = Lives(forget_after)

    def see(self, path: str, item: Item, found: Sequence[Violation]) -> None:
        """Take one item."""
        if path != self._path:
            # The last recording broke off, or it would have ended.
            self._close()
            self._path = path
        if isinstance(item, LeftOut):
            self._blame(found, None)  # it was found among what is left out, while the run was remembered
            self._pass(item.items)
            return
        self._pass(1)
        life = self._observe(path, item) if isinstance(item, Observation) else None
        self._blame(found, life)
        if isinstance(item, Observation) and life is not None and life.example.run_id is None:
            self._count(life)

    def end(self, path: str, found: Sequence[Violation]) -> None:  # noqa: ARG002
        """The recording has ended."""
        self._blame(found, None)
        self._close()

    def _pass(self, items: int) -> None:
        for life in self._lives.passed(items):
            self._count(life)

    def _blame(self, found: Sequence[Violation], unnamed: Life | None) -> None:
        """The runs that errors were found in do not fit; one without an id is that of a run without one."""
        for violation in found:
            if violation.severity != "error":
                continue
            life = self._lives.known(violation.run_id) if violation.run_id is not None else unnamed
            if life is not None:
                life.fits = False

    def merge(self, other: Profile) -> Profile:
        """The profile of both: of every recording of this one that has ended, and of the other's, which come after.

        They may also be of two parts of the same recordings, each told of what the other part has by `LeftOut`, if no
        run and no thread has snapshots in both; an example is then the first of all, as it stands in the recording.

        Args:
            other: Of the same policy.

        Raises:
            ValueError: it is of another policy.

        Example:
            >>> Profile().merge(Profile()).as_dict() == Profile().as_dict()
            True
        """
        if other.policy.edges != self.policy.edges:
            raise ValueError(_OTHER_POLICY.format(other.policy.name, self.policy.name))
        both = Profile(self.policy, sampling=self._sampling, skew_s=self._skew_s, forget_after=self._forget_after)
        both._counts.take(self._counts)
        both._counts.take(other._counts)
        return both

    def kept(self) -> dict[str, Any]:
        """Every recording that has ended, as plain JSON, so that it can be sent to another process; `take` reads it."""
        return {"policy": self.policy.name, "counts": self._counts.kept()}

    def take(self, kept: Mapping[str, Any]) -> None:
        """Add what another profile kept, as `merge` would.

        Args:
            kept: By `kept`.

        Raises:
            ValueError: it is of another policy.
            KeyError: something is missing.
            TypeError: something is of another type.

        Example:
            >>> profile = Profile()
            >>> profile.take(Profile().kept())
            >>> profile.as_dict() == Profile().as_dict()
            True
        """
        if kept["policy"] != self.policy.name:
            raise ValueError(_OTHER_POLICY.format(kept["policy"], self.policy.name))
        self.add(Counts.taken(kept["counts"]))

    def add(self, counts: Counts) -> None:
        """Add counts of other runs: of the same recordings, or of later ones.

        Args:
            counts: Made under the same policy.
        """
        self._counts.take(counts)

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

    def _observe(self, path: str, item: Observation) -> Life:
        counts, record = self._counts, item.record
        run_id, thread_id, status = record.get("id"), record.get("thread_id"), record.get("status")
        counts.observations += 1
        counts.sources[item.source] += 1
        self._span(item)
        life = self._lives.known(run_id) if isinstance(run_id, str) else None
        if life is None:
            life = self._enter(Life(Example(run_id if isinstance(run_id, str) else None, path, item.line)), thread_id)
        if status not in STATUSES:
            counts.unknown_statuses += 1
            return life
        if life.point is not None and isinstance(run_id, str) and is_another(life.birth, item):
            # The id was given to another run (RE502).
            before, life = life, Life(Example(run_id, path, item.line))
            self._enter(life, thread_id, before)
            self._count(before)
        life.birth = {"created_at": record.get("created_at"), "thread_id": thread_id}
        counts.statuses[status] += 1
        self._step(life, item, status)
        self._lives.keep(life)
        return life

    def _enter(self, life: Life, thread_id: Any, instead_of: Life | None = None) -> Life:
        runs = self._lives.enter(life, thread_id, instead_of)
        self._counts.runs_per_thread_most = max(self._counts.runs_per_thread_most, runs)
        return life

    def _step(self, life: Life, item: Observation, status: Status) -> None:
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
        era = era_of(item.record.get("created_at"))
        layout = layout_of(now.status, tuple(item.record), types, era, columns=item.columns)
        self._counts.generations[span(layout.candidates)] += 1
        if complete:
            return
        rows = hidden_before(now, self.policy, self._skew_s)
        self._counts.take_rows(rows, hidden=True, policy=self.policy)
        self._stays(Times(), rows, None, item)

    def _judge(
        self, life: Life, before: Point, now: Point, complete: bool, item: Observation
    ) -> tuple[Transition, ...]:
        """Count a step; the rows that explain it, if it is one."""
        verdict = judged(before, now, self.policy, complete, self._skew_s)
        rows = verdict.rows
        if not verdict.is_step:
            return ()
        self._counts.take_rows(rows, hidden=len(rows) > 1, policy=self.policy)
        if rows:
            self._stays(life.times, rows, before.record["started_at"], item)
        if verdict.wrong:
            self._misfit(life, complete, verdict.undeclared, item)
        else:
            self._counts.steps["complete" if complete else "polled"] += 1
            life.replayed += len(rows)
        return rows

    def _misfit(
        self, life: Life, complete: bool, undeclared: Sequence[tuple[Status, Status]], item: Observation
    ) -> None:
        counts = self._counts
        counts.steps["complete" if complete else "polled"] += 1
        counts.steps_undeclared += bool(undeclared)
        counts.steps_contradicted += not undeclared
        life.replayed += 1
        life.misfits += 1
        for pair in undeclared:
            counts.undeclared.setdefault(pair, Undeclared()).see(life.example._replace(path=self._path, line=item.line))

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

    def _close(self) -> None:
        for life in self._lives.clear():
            self._count(life)
        self._path = ""

    def _count(self, life: Life) -> None:
        counts = self._counts
        counts.runs += 1
        counts.runs_ended += life.ended
        counts.runs_without_error += life.fits
        counts.replay(life.replayed, life.misfits)
        counts.variants.add(life.trail, life.ended, life.example)
