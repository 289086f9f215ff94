"""A fault: one way in which a recording of a run can be wrong, as data; and the truth of one that was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from attrs import evolve, fields, frozen

from runengine.core import JSON
from runengine.dialects.wire import NotJSON, decode, encode
from runengine.simulation.chance import Chance
from runengine.simulation.recording import Recording, View
from runengine.validation.catalogue import RULES

__all__ = ["Apply", "Fault", "Truth", "read_truths", "write_truth"]

Apply = Callable[[Recording, Chance, Recording | None], Recording | None]
"""Makes a fault: of a recording, with draws, and with another run's recording where the fault needs one. The answer has
the rows at which the fault can be seen marked `broken`, and everything else as it was; None where it cannot be made."""


@frozen(kw_only=True)
class Fault:
    """One operator.

    Attributes:
        name: Its name, for `--faults kinds=…`.
        family: What it is about: path, stamps, payload, keys, delivery, lines, streams or objects.
        says: What is wrong with the recording, one sentence.
        breaks: Rules of which at least one is broken where the fault can be seen. Empty: no rule is, and a checker that
            speaks is wrong.
        may: Rules that may be broken with it, as a consequence.
        views: The recordings it can be made in.
        unseen: When, and why, nobody who reads the recording could see it; empty where it can always be seen.
        framed: Of a stream, it is made for, or seen in, `.sse` files alone: it lies in their framing or in a stream's
            end, which lines of JSON do not have.
        alone: It can be seen only in a stream that is the last of its file.
        reaches: It may be seen at the other run too.
        apply: Makes it.

    Example:
        >>> from runengine.simulation.faults import FAULTS
        >>> FAULTS["ended_twice"].breaks
        ('RE103',)
    """

    name: str
    family: str
    says: str
    breaks: tuple[str, ...]
    may: tuple[str, ...] = ()
    views: tuple[View, ...] = ("history", "polled", "stream")
    unseen: str = ""
    framed: bool = False
    alone: bool = False
    reaches: bool = False
    apply: Apply

    @property
    def awaited(self) -> bool:
        """Whether every rule it breaks is one that the checker does not have yet."""
        return bool(self.breaks) and not any(code in RULES for code in self.breaks)


@frozen(kw_only=True)
class Truth:
    """What was done to one run: the ground truth. It comes from the operator, never from a checker.

    Attributes:
        run_id: The run's true id.
        thread_id: Its true thread's.
        index: Its number in the simulation.
        fault: The name of the fault.
        breaks: See `Fault`.
        may: See `Fault`.
        view: How the run was recorded.
        seen: Whether the fault can be seen by whoever reads the file, with the rules that the checker has.
        rows: Places among the run's rows at which it can be seen, from 0.
        lines: Lines of the file (rows, of Parquet) at which it can be seen, from 1; the writer says which.
        others: Ids of other runs at which it may be seen as well.

    Example:
        >>> truth = Truth(run_id="run_1", thread_id="thread_1", index=1, fault="zero_stamp", breaks=("RE209",), may=(),
        ...               view="polled", seen=True, rows=(2,))
        >>> read_truths([write_truth(truth.at([7]))]) == (truth.at((7,)),)
        True
    """

    run_id: str
    thread_id: str
    index: int
    fault: str
    breaks: tuple[str, ...]
    may: tuple[str, ...]
    view: View
    seen: bool
    rows: tuple[int, ...]
    lines: tuple[int, ...] = ()
    others: tuple[str, ...] = ()

    def at(self, lines: Iterable[int]) -> Truth:
        """The same, with its place in a file."""
        return evolve(self, lines=tuple(lines))

    def as_dict(self) -> dict[str, JSON]:
        """Plain JSON, in the order of the attributes."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name in _NAMES
            for value in (getattr(self, name),)
        }


_NAMES: Final = tuple(a.name for a in fields(Truth))
_LISTS: Final = ("breaks", "may", "rows", "lines", "others")


def write_truth(truth: Truth) -> bytes:
    r"""A truth as one line of a file, with its line feed.

    Args:
        truth: The truth.

    Example:
        >>> write_truth(Truth(run_id="r", thread_id="t", index=0, fault="lost_row", breaks=(), may=(), view="polled",
        ...                   seen=False, rows=()))[:40]
        b'{"run_id":"r","thread_id":"t","index":0,'
    """
    return encode(truth.as_dict()) + b"\n"


def read_truths(lines: Iterable[bytes]) -> tuple[Truth, ...]:
    """The truths of a file.

    Args:
        lines: Its lines.

    Raises:
        ValueError: a line is no truth; the message says which.

    Example:
        >>> read_truths([b""])
        ()
    """
    return tuple(_read(lines))


def _read(lines: Iterable[bytes]) -> Iterator[Truth]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value: Any = decode(line)
            given: dict[str, Any] = {k: tuple(v) if k in _LISTS else v for k, v in value.items()}
            yield Truth(**given)
        except (NotJSON, TypeError, AttributeError) as error:
            raise ValueError(f"line {number}: no truth of a fault: {error}") from None
