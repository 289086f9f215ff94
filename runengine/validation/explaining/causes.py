"""What a finding about a run's way comes from: its delivery (late, doubled, reordered, lost, foreign) or its life.

A fault of delivery: the run lived by the table, and the recording does not show it so. A fault of life: the run did
what no row allows. Told, in this order, by: fields that no event writes; times of observation (they may tell, but
nothing is ever put in order by them); snapshots that were seen before, or fit in before; and stamps of a start that
nobody saw.

What cannot be told: a run brought back with exactly the snapshot it had before looks like that snapshot delivered late,
and is called so, unless a history gives it a time of its own. A step over a status whose absence no stamp shows may be
a lost observation or an illegal jump: that is `either`. Source: DESIGN §5; FACTS B3, B4, Part D.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from attrs import frozen

from runengine.core.fields import END_STAMPS, FIELDS
from runengine.core.statuses import QUEUED
from runengine.core.table import TERMINAL, Policy
from runengine.validation.catalogue import RULES
from runengine.validation.explaining.foreign import UNWRITTEN, differing, fault_of_value
from runengine.validation.explaining.gaps import NEVER, Shown, best_steps, shown_of, steps_between, tells_nothing
from runengine.validation.explaining.repair import Edit, Repair, repair
from runengine.validation.findings import Finding
from runengine.validation.observations import Observation
from runengine.validation.seen import Mark, Seen

__all__ = ["EXPLAINED", "Cause", "Origin", "cause_of", "explained", "without_repair"]

Origin = Literal["delivery", "life", "either"]
"""Where a fault lies: on the way into the recording, in the run itself, or in one of them and nobody can say which."""

EXPLAINED: Final = frozenset(
    ("RE101", "RE102", "RE103", "RE106", "RE204", "RE205", "RE401", "RE402", "RE405", "RE406"),
)
"""The rules whose findings have a cause: those that compare a snapshot with the run's snapshots before it."""

_FEW: Final = 2
"""So many fields that no event writes differ together in another run's record; one alone may be a wrong value."""

_TAIL: Final = 7
"""So many snapshots before the one at fault are looked at for a repair; the whole trail, for one like it."""

_FAULTS: Final = 1
"""No more than so many earlier faults are looked at with it."""

_LOST_MAX: Final = 2
"""More observations than these are not thought to be lost in a row."""

_MEND: Final = "; cheapest repair: "
_RIGHT: Final = "; this snapshot is right"
_MENDED: Final = re.compile(f"{_MEND}[^;.]*")


@frozen(kw_only=True)
class Cause:
    """Where a finding comes from.

    Attributes:
        origin: delivery, life or either.
        says: What happened, in words.
        repair: What would mend the path, in words; empty where it needs no mending.

    Example:
        >>> Cause(origin="life", says="no row leads here", repair="drop line 3").hint
        'life: no row leads here; cheapest repair: drop line 3'
    """

    origin: Origin
    says: str
    repair: str = ""

    @property
    def hint(self) -> str:
        """All of it in one line."""
        mend = f"{_MEND}{self.repair}" if self.repair else ""
        return f"{self.origin}: {self.says}{mend}"


def explained(finding: Finding, seen: Seen, item: Observation, policy: Policy, complete: bool) -> Finding:
    """The finding, its hint saying what it comes from and what would mend it; what hint it had comes after that.

    Args:
        finding: What a rule says of a snapshot.
        seen: What is known of the run from before it.
        item: The snapshot, its status one of the nine.
        policy: Which steps are legal.
        complete: Every status is visible.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> finding = Finding("RE309", "colour", None, "no generation declares it")
        >>> explained(finding, Seen(), Observation({"status": "queued"}, 1), PRACTICAL, False) is finding
        True
    """
    cause = cause_of(finding, seen, item, policy, complete)
    if cause is None:
        return finding
    hint = cause.hint
    if finding.hint is not None:
        hint += f"; {finding.hint}"
    general = RULES[finding.code].hint
    if general is not None and (cause.origin == "life" or finding.code == "RE406"):
        hint += f". {general}"
    return finding._replace(hint=hint)


def without_repair(hint: str, given_up: bool = False) -> str:
    """A hint without the repair, which knows only what stands above: for where the repair of the whole path is told.

    Args:
        hint: As `explained` makes it.
        given_up: That repair gives the snapshot up, or moves it: then nothing is said of its being right.

    Example:
        >>> without_repair("life: no row leads here; cheapest repair: drop line 3; --policy permissive allows it")
        'life: no row leads here; --policy permissive allows it'
    """
    return _MENDED.sub("", hint.replace(_RIGHT, "") if given_up else hint)


def cause_of(finding: Finding, seen: Seen, item: Observation, policy: Policy, complete: bool) -> Cause | None:
    """What a finding comes from; None where it is not about the run's way.

    Args:
        finding: What a rule says of a snapshot.
        seen: What is known of the run from before it.
        item: The snapshot, its status one of the nine.
        policy: Which steps are legal.
        complete: Every status is visible.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> seen = Seen()
        >>> for mark in ((1, "queued", None), (2, "in_progress", 7), (3, "completed", 7)):
        ...     seen.mark(*mark)
        >>> finding = Finding("RE103", "status", "completed", "the run is queued, but complete had ended it")
        >>> cause = cause_of(finding, seen, Observation({"status": "queued"}, 4), PRACTICAL, False)
        >>> cause.origin, cause.says
        ('delivery', 'late or doubled: line 1 showed the same snapshot')
    """
    code, trail = finding.code, seen.trail
    if code not in EXPLAINED or not trail or finding.field == "expires_at":
        return None
    now: Mark = (item.line, item.record["status"], item.record.get("started_at"))
    shown = shown_of((*trail, now))
    case = _Case(finding, seen, _tail(trail, shown, policy, complete), shown, item, policy, complete)
    asked = _OF_FIELDS if finding.field in UNWRITTEN else _QUESTIONS
    return next(cause for ask in asked if (cause := ask(case)) is not None)


def _tail(trail: Sequence[Mark], shown: Sequence[Shown], policy: Policy, complete: bool) -> Sequence[Mark]:
    """The last snapshots of a trail, with one fault among them at most: a path broken throughout costs little, too."""
    first, faults = len(trail) - 1, 0
    while first > max(0, len(trail) - _TAIL):
        steps = steps_between(policy, shown[first - 1], shown[first])
        faults += steps is None or (complete and len(steps) > 1)
        if faults > _FAULTS:
            break
        first -= 1
    return trail[first:]


class _Case(NamedTuple):
    """What is asked about."""

    finding: Finding
    seen: Seen
    tail: Sequence[Mark]
    shown: tuple[Shown, ...]
    item: Observation
    policy: Policy
    complete: bool

    @property
    def trail(self) -> Sequence[Mark]:
        """The snapshots before it."""
        return self.seen.trail

    @property
    def before(self) -> dict[str, Any]:
        """The record before it."""
        return {} if self.seen.point is None else self.seen.point.record

    @property
    def differing(self) -> tuple[str, ...]:
        """Sound values of both records that no event could have changed."""
        return differing(self.before, self.item.record, self.item.observed_s) if self.before else ()

    @property
    def went_back(self) -> bool:
        """It was observed before the snapshot above it."""
        at_s, seen_s = self.item.observed_s, self.seen.observed_s
        return at_s is not None and seen_s is not None and at_s < seen_s

    @property
    def has_own_time(self) -> bool:
        """A history's time is that of the event: it says itself that this came later."""
        known = self.item.observed_s is not None and self.seen.observed_s is not None
        return known and not self.went_back and self.item.source == "history"

    @property
    def ended(self) -> bool:
        """It shows the run ended."""
        return self.shown[-1][0] in TERMINAL

    @property
    def mark(self) -> Mark:
        """It, as it will stand in the trail."""
        return self.item.line, self.item.record["status"], self.item.record.get("started_at")

    @property
    def above(self) -> Repair:
        """The cheapest repair of the path before the snapshot."""
        return repair(self.tail, self.policy, self.complete, not self.has_own_time)

    @property
    def mended(self) -> Repair:
        """The cheapest repair of the path so far: what of it the snapshot itself has made necessary."""
        known = self.above.edits
        now = repair((*self.tail, self.mark), self.policy, self.complete, not self.has_own_time)
        return Repair(edits=tuple(edit for edit in now.edits if edit not in known), cost=now.cost)

    def cause(self, origin: Origin, says: str, mended: Repair | None = None) -> Cause:
        """A cause, with the repair in words."""
        return Cause(origin=origin, says=says, repair=(mended or self.mended).text)


def _wrong_value(case: _Case) -> Cause | None:
    """The value is wrong whatever the run did, here or in the snapshot above: another finding speaks of it."""
    name = case.finding.field
    if name not in FIELDS or name == "status" or not case.before:
        return None
    columns = case.item.columns
    code = fault_of_value(case.item.record, name, case.item.observed_s, columns)
    if code is not None:
        return Cause(origin="either", says=f"the value itself is wrong ({code}), and tells nothing of the run's way")
    code = fault_of_value(case.before, name, None, columns)
    if code is None:
        return None
    return Cause(origin="either", says=f"it follows from the fault in the snapshot above, a wrong value ({code})")


def _foreign(case: _Case) -> Cause | None:
    """What no event writes differs, and more than one wrong value is needed to explain it."""
    names = case.differing
    if not names or (len(names) < _FEW and not case.mended.edits):
        return None
    what = f"no event changes {names[0]}, and the run's path has no place for the record either"
    if len(names) >= _FEW:
        what = f"{', '.join(names)} differ together and no event changes them"
    here = case.finding.field in UNWRITTEN
    whose = "the record is another run's" if here else "this record, or the one above, is another run's"
    says = f"foreign: {what}, so {whose}, or made of two"
    return Cause(origin="delivery", says=says)


def _after_foreign(case: _Case) -> Cause | None:
    """The snapshot above had strayed in what no event writes, and this one is as those before it."""
    strayed, now, above = case.seen.strayed, case.item.record, case.before
    back = [name for name in UNWRITTEN if name in strayed and strayed[name] == now.get(name) != above.get(name)]
    if len(back) < _FEW:
        return None
    says = f"it follows from the snapshot above, which is foreign: {', '.join(back)} are again what they were before it"
    return Cause(origin="delivery", says=says)


def _alone(case: _Case) -> Cause:
    """One field that no event writes, and nothing else."""
    return Cause(origin="either", says=f"no event changes {case.finding.field}: the value is wrong, or another run's")


def _doubled_created(case: _Case) -> Cause | None:
    """RE405: what came twice is the announcement, not the run."""
    if case.finding.code != "RE405":
        return None
    if case.shown[-1][0] == QUEUED and case.shown[-1] in case.shown[:-1]:
        return Cause(origin="delivery", says="doubled: the event has come twice", repair=f"drop line {case.item.line}")
    return Cause(origin="life", says="the run had begun, and nothing begins it a second time")


def _reordered(case: _Case) -> Cause | None:
    """The time of observation says that the two snapshots stand in each other's place."""
    if not case.went_back:
        return None
    mended = case.mended
    if mended.edits:
        says = "reordered: it was observed before the snapshot above it, and the path contradicts the lines' order"
        return case.cause("delivery", says, mended)
    goes_on = case.shown[-1] != case.shown[-2]
    says = "clock: the path goes on in the order of the lines, so the recorder's clock was set back"
    return case.cause("delivery", says if goes_on else "reordered, or the recorder's clock was set back", mended)


def _aftermath(case: _Case) -> Cause | None:
    """A snapshot above is at fault: with that one mended, nothing is wrong with this one."""
    mended = case.mended if case.mended.edits else case.above
    here = case.item.line
    if not mended.edits or case.finding.code in ("RE102", "RE103"):
        return None
    if any(here in (edit.line, edit.before if edit.kind == "insert" else None) for edit in mended.edits):
        return None
    lines = ", ".join(dict.fromkeys(str(edit.line or edit.after) for edit in mended.edits))
    origin: Origin = "life"
    if _only(mended, lambda edit: edit.kind == "move") or len(case.differing) >= _FEW:
        origin = "delivery"
    elif _only(case.above, lambda edit: edit.kind == "insert"):
        origin = "either"
    return case.cause(origin, f"it follows from the fault at line {lines}{_RIGHT}", mended)


def _seen_before(case: _Case) -> Cause | None:
    """The same snapshot stands in the trail: nothing of it is new."""
    if case.has_own_time or case.finding.code == "RE102":
        return None
    *earlier, now = case.shown
    if case.ended or now not in earlier or any(case.item.record.get(stamp) for stamp in END_STAMPS):
        return None
    place = len(earlier) - 1 - earlier[::-1].index(now)
    return case.cause("delivery", f"late or doubled: line {case.trail[place][0]} showed the same snapshot")


def _fits_before(case: _Case) -> Cause | None:
    """Nothing like it was seen, but it is legal at an earlier place."""
    if case.has_own_time or case.finding.code == "RE102" or case.ended:
        return None
    # queued and never started, it is from before any start, also where what followed it is missing
    loosely = (case._replace(complete=False),) if case.shown[-1] == (QUEUED, NEVER) else ()
    for mended in (each.mended for each in (case, *loosely)):
        if _only(mended, lambda edit: edit.kind == "move" and edit.line == case.item.line):
            return case.cause("delivery", "late: by its stamps it comes before the snapshot above it", mended)
    return None


def _lost(case: _Case) -> Cause | None:
    """Snapshots are missing in a trace that shows every status, or a status was jumped over."""
    before = case.shown[-2]
    if not case.complete or before[0] in TERMINAL:
        return None
    rows = steps_between(case.policy, before, case.shown[-1]) or ()
    rows = (best_steps(case.policy, before, case.shown[-1]) or rows)[:-1] if len(rows) > 1 else ()
    names = ", ".join(row.target for row in rows)
    what, it = ("observations were", "them") if len(rows) > 1 else ("an observation was", "it")
    untold = f"{what} lost ({names}), or the run jumped over {it}; no stamp tells"
    started = any(row.event == "start" for row in rows)
    if started and len(rows) <= _LOST_MAX and case.shown[-1][1] >= before[1]:
        mend = f"insert {' and '.join(row.event for row in rows)}"
        mend = f"{mend} between line {case.trail[-1][0]} and line {case.item.line}"
        if case.shown[-1][1] == before[1] or tells_nothing(before):
            return Cause(origin="either", says=untold, repair=mend)
        told = f"lost: the stamps show the start that no line shows ({names})"
        return Cause(origin="delivery", says=told, repair=mend)
    mended = case.mended
    if not rows or not _only(mended, lambda edit: edit.kind == "insert"):
        return None
    return case.cause("either", untold, mended)


def _lived(case: _Case) -> Cause:
    """What is left: the run did it."""
    before, now = case.shown[-2], case.shown[-1]
    code, field = case.finding.code, case.finding.field
    if code == "RE103" and now[0] == before[0]:
        return Cause(origin="life", says=f"{field} was written after the end")
    if code == "RE103" and case.ended:
        return case.cause("life", "it ended twice: the record has an end of its own")
    if code == "RE103":
        told = "its own time says so" if case.has_own_time else "nothing like this was seen before"
        return case.cause("life", f"it went on after its end: {told}")
    if code == "RE102":
        return Cause(origin="life", says="the run took this step: no stamp shows another way")
    if code in ("RE106", "RE204", "RE205"):
        word = "taken away" if now[1] == NEVER else "set back" if now[1] < before[1] else "written without a start"
        return case.cause("life", f"started_at was {word}, which no event does")
    if case.has_own_time:
        return case.cause("life", "no row leads here, and its own time says that it stands where it belongs")
    return case.cause("life", "no row leads here, and it does not fit in earlier")


_OF_FIELDS: Final[tuple[Callable[[_Case], Cause | None], ...]] = (_wrong_value, _foreign, _alone)
_QUESTIONS: Final[tuple[Callable[[_Case], Cause | None], ...]] = (
    _wrong_value,
    _doubled_created,
    _after_foreign,
    _reordered,
    _aftermath,
    _foreign,
    _seen_before,
    _fits_before,
    _lost,
    _lived,
)


def _only(mended: Repair, fits: Callable[[Edit], bool]) -> bool:
    return bool(mended.edits) and all(map(fits, mended.edits))
