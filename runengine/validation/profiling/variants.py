"""Variants: which statuses runs went through, tool rounds folded, counted.

A tool round is requires_action and what was seen after it, up to the next requires_action or to in_progress. Equal
rounds in a row are one piece of the variant, and runs that differ only in how many there were are of one variant; it
says the least and the most. So a profile has some dozens of variants, where runs of ten rounds would make hundreds.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from attrs import define, field

from runengine.core.statuses import IN_PROGRESS, QUEUED, REQUIRES_ACTION, STATUSES, Status

__all__ = ["PIECES_MAX", "VARIANTS_MAX", "Example", "Piece", "Trail", "Variant", "Variants", "wording"]

VARIANTS_MAX: Final = 1_000
"""So many variants are told apart: those of the fewest statuses. Runs of the others are counted together."""

PIECES_MAX: Final = 24
"""So many pieces of a run's way are kept; of a longer one the rest is left out, and said to be."""

_ROUND: Final = frozenset((REQUIRES_ACTION, QUEUED, IN_PROGRESS))
_PLACE: Final = {status: place for place, status in enumerate(STATUSES)}


class Piece(NamedTuple):
    """A part of a variant: statuses once each in a row, or a tool round that may be repeated.

    Attributes:
        statuses: In order.
        repeats: Whether it is a tool round.

    Example:
        >>> Piece(("queued",), False).repeats
        False
    """

    statuses: tuple[Status, ...]
    repeats: bool


class Example(NamedTuple):
    """Where a run of some kind can be looked at.

    Attributes:
        run_id: Its id, or None.
        path: The recording.
        line: Where in it the run is seen so: first, or at the step in question.

    Example:
        >>> Example("run_1", "a.jsonl", 3).as_dict()
        {'run_id': 'run_1', 'path': 'a.jsonl', 'line': 3}
    """

    run_id: str | None
    path: str
    line: int

    def is_before(self, other: Example) -> bool:
        """Whether it stands before another one in the same recording."""
        return self.path == other.path and (self.line, self.run_id or "") < (other.line, other.run_id or "")

    def as_dict(self) -> dict[str, Any]:
        """The fields as a plain dict."""
        return self._asdict()


class Trail:
    """The statuses of one run, folded as they come, in bounded memory.

    Example:
        >>> trail = Trail()
        >>> for status in ("queued", "in_progress", *("requires_action", "queued", "in_progress") * 2, "completed"):
        ...     trail.see(status)
        >>> pieces, rounds = trail.folded()
        >>> wording(pieces), rounds
        ('queued → in_progress → (requires_action → queued → in_progress)+ → completed', (2,))
    """

    __slots__ = ("_done", "_tail", "cut")

    def __init__(self) -> None:
        self._done: list[tuple[Piece, int]] = []
        self._tail: list[Status] = []
        self.cut = False

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for trails that are the same, and stay so whatever comes."""
        return tuple(self._done), tuple(self._tail), self.cut

    def copy(self) -> Trail:
        """One that goes on by itself."""
        made = Trail()
        made._done, made._tail, made.cut = list(self._done), list(self._tail), self.cut
        return made

    def see(self, status: Status) -> None:
        """Take the next status, which is not the last one."""
        if self.cut:
            return
        if status == REQUIRES_ACTION:
            self._close()
        if len(self._tail) + len(self._done) < PIECES_MAX:
            self._tail.append(status)
        else:
            self.cut = True

    def _close(self) -> None:
        """What was seen since the last requires_action is done with."""
        tail, self._tail = self._tail, []
        for piece in _pieces(tail, closed=True):
            if self._done and self._done[-1][0] == piece and piece.repeats:
                self._done[-1] = (piece, self._done[-1][1] + 1)
            else:
                self._done.append((piece, 1))

    def folded(self) -> tuple[tuple[Piece, ...], tuple[int, ...]]:
        """The pieces, and of each tool round among them how often it was repeated."""
        done = list(self._done)
        for piece in _pieces(self._tail, closed=False):
            if done and done[-1][0] == piece and piece.repeats:
                done[-1] = (piece, done[-1][1] + 1)
            else:
                done.append((piece, 1))
        return tuple(piece for piece, _ in done), tuple(count for piece, count in done if piece.repeats)


def _pieces(statuses: list[Status], *, closed: bool) -> Iterator[Piece]:
    """A stretch from requires_action on (or from the beginning) as a tool round, where it is one, and the rest."""
    if not statuses:
        return
    end = 0
    if statuses[0] == REQUIRES_ACTION:
        if IN_PROGRESS in statuses:
            end = statuses.index(IN_PROGRESS) + 1
        elif closed:
            end = len(statuses)
        if end < 2 or end > len(_ROUND) or not _ROUND.issuperset(statuses[:end]):
            end = 0
    if end:
        yield Piece(tuple(statuses[:end]), True)
    if statuses[end:]:
        yield Piece(tuple(statuses[end:]), False)


@define
class Variant:
    """What is known of the runs of one variant.

    Attributes:
        runs: How many.
        rounds: Of each tool round the least and the most repeats.
        example: The first of them, as it stands in its recording.

    Example:
        >>> Variant(1, ((2, 2),), Example("run_1", "a.jsonl", 1)).rounds
        ((2, 2),)
    """

    runs: int
    rounds: tuple[tuple[int, int], ...]
    example: Example

    def take(self, other: Variant) -> None:
        """Count the runs of another: of the same recordings, or of later ones."""
        self.runs += other.runs
        if other.example.is_before(self.example):
            self.example = other.example
        pairs = zip(self.rounds, other.rounds, strict=True)
        self.rounds = tuple((min(a, c), max(b, d)) for (a, b), (c, d) in pairs)


Key = tuple[tuple[Piece, ...], bool, bool]
"""The pieces; whether the run had ended; whether the way was cut."""


@define
class Variants:
    """Runs by variant: at most `most` variants, those of the fewest statuses, so that any order of merging is the same.

    Attributes:
        most: How many are told apart.
        kept: Those.
        other_runs: Runs of others.

    Example:
        >>> variants, trail = Variants(), Trail()
        >>> trail.see("queued")
        >>> variants.add(trail, False, Example("run_1", "a.jsonl", 1))
        >>> variants.as_list()[0]["way"]
        'queued → …'
    """

    most: int = VARIANTS_MAX
    kept: dict[Key, Variant] = field(factory=dict)
    other_runs: int = 0
    _ranks: list[tuple[tuple[Any, ...], Key]] = field(factory=list, init=False, repr=False, eq=False)

    def add(self, trail: Trail, ended: bool, example: Example, runs: int = 1) -> None:
        """Count a run, or several that went the same way, the first of which is the example."""
        pieces, rounds = trail.folded()
        self._put((pieces, ended, trail.cut), Variant(runs, tuple((n, n) for n in rounds), example))

    def take(self, other: Variants) -> None:
        """Count the runs of another: of the same recordings, or of later ones."""
        for key, variant in other.kept.items():
            self._put(key, Variant(variant.runs, variant.rounds, variant.example))
        self.other_runs += other.other_runs

    def _put(self, key: Key, variant: Variant) -> None:
        known = self.kept.get(key)
        if known is not None:
            known.take(variant)
            return
        insort(self._ranks, (_rank(key), key))
        self.kept[key] = variant
        if len(self.kept) > self.most:
            # The one left out can never come back: there are always so many that are shorter.
            self.other_runs += self.kept.pop(self._ranks.pop()[1]).runs

    def written(self) -> dict[str, Any]:
        """Everything it has counted, as plain JSON; `taken` reads it."""
        return {
            "most": self.most,
            "other_runs": self.other_runs,
            "kept": [
                [[list(piece) for piece in pieces], ended, cut, each.runs, each.rounds, list(each.example)]
                for (pieces, ended, cut), each in self.kept.items()
            ],
        }

    @classmethod
    def taken(cls, kept: Mapping[str, Any]) -> Variants:
        """What `written` wrote.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another type.
            ValueError: something is of another length.
        """
        made = cls(kept["most"], other_runs=kept["other_runs"])
        for pieces, ended, cut, runs, rounds, example in kept["kept"]:
            key = tuple(Piece(tuple(statuses), repeats) for statuses, repeats in pieces), ended, cut
            made._put(key, Variant(runs, tuple((least, most) for least, most in rounds), Example(*example)))
        return made

    def as_list(self) -> list[dict[str, Any]]:
        """The variants as reports carry them, the most frequent first."""
        runs = self.other_runs + sum(variant.runs for variant in self.kept.values())
        order = sorted(self.kept.items(), key=lambda item: (-item[1].runs, _rank(item[0])))
        return [
            {
                "way": wording(pieces, variant.rounds, ended=ended, cut=cut),
                "ended": ended,
                "runs": variant.runs,
                "share": round(variant.runs / runs, 6),
                "example": variant.example.as_dict(),
            }
            for (pieces, ended, cut), variant in order
        ]


def _rank(key: Key) -> tuple[Any, ...]:
    pieces, ended, cut = key
    statuses = tuple((tuple(_PLACE[s] for s in piece.statuses), piece.repeats) for piece in pieces)
    return sum(len(piece.statuses) for piece in pieces), statuses, ended, cut


def wording(
    pieces: tuple[Piece, ...], rounds: tuple[tuple[int, int], ...] = (), *, ended: bool = True, cut: bool = False
) -> str:
    """A variant in words.

    Args:
        pieces: Of the variant.
        rounds: Of each tool round the least and the most repeats, none said where it was one each time; left out, a
            `+` stands for them.
        ended: Whether the runs had ended; else an ellipsis is at the end.
        cut: Whether the way goes on for longer than is kept.

    Example:
        >>> piece = Piece(("requires_action", "queued", "in_progress"), True)
        >>> wording((piece,), ((1, 3),), ended=False)
        '(requires_action → queued → in_progress) ×1–3 → …'
    """
    counts = iter(rounds)
    said = []
    for piece in pieces:
        way = " → ".join(piece.statuses)
        if piece.repeats:
            least, most = next(counts, (0, 0))
            times = "+" if not most else f" ×{least}" if least == most else f" ×{least}–{most}"
            way = way if most == 1 else f"({way}){times}"
        said.append(way)
    if not said:
        return "no known status"
    if cut or not ended:
        said.append("…")
    return " → ".join(said)
