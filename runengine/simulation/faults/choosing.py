"""Which runs are broken, and in which way."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from runengine.simulation.chance import GOLDEN, MASK, Chance, base_of, mixed
from runengine.simulation.faults.fault import Fault, Truth
from runengine.simulation.faults.table import FAULTS
from runengine.simulation.recording import Recording

__all__ = ["FAULTED", "broken", "is_faulted", "kinds_of", "made_by"]

FAULTED: Final = "faulted"
"""What the draw is for that says whether a run is broken."""


def is_faulted(seed: int, index: int, rate: float) -> bool:
    """Whether a run is to be broken.

    `Draws(seed).bits("faulted", 0, runs)` of `runengine.simulation.vectors.draws` are the same draws by the column.

    Args:
        seed: The simulation's.
        index: The run's number.
        rate: Share of the runs that are, from 0 to 1.

    Example:
        >>> [index for index in range(200) if is_faulted(1, index, 0.03)]
        [34, 147, 190, 197]
    """
    bits = mixed(base_of(seed, FAULTED, 0) + index * GOLDEN & MASK)
    return (bits >> 11) * 2.0**-53 < rate


def kinds_of(text: str) -> tuple[str, ...]:
    """The faults that a text stands for, in the order of the table.

    Args:
        text: Names, families, codes of rules, or patterns of names or codes as `lost_*` and `RE2*`, joined by `+`;
            empty, or `all`, for all. A dash in a name stands for its underscore.

    Raises:
        ValueError: one of them stands for none; the message names what is near.

    Example:
        >>> kinds_of("RE405+zero_*")
        ('zero_stamp', 'second_created')
        >>> kinds_of("end_twice")
        Traceback (most recent call last):
        ValueError: no fault 'end_twice'; did you mean ended_twice or step_ended_twice?
    """
    wanted = [word.strip() for word in text.split("+") if word.strip()]
    chosen: set[str] = set(FAULTS) if not wanted else set()
    for word in wanted:
        found = {name for name, fault in FAULTS.items() if _stands_for(word, fault)}
        if not found:
            families = dict.fromkeys(fault.family for fault in FAULTS.values())
            near = get_close_matches(word, [*FAULTS, *families], n=3)
            hint = (
                f"did you mean {' or '.join(near)}?" if near else "`runengine simulate --help` tells where they stand"
            )
            raise ValueError(f"no fault {word!r}; {hint}")
        chosen |= found
    return tuple(name for name in FAULTS if name in chosen)


def _stands_for(word: str, fault: Fault) -> bool:
    name = word.lower().replace("-", "_")
    if name in ("all", fault.family) or fnmatchcase(fault.name, name):
        return True
    return any(fnmatchcase(code, word.upper()) for code in fault.breaks)


def broken(
    recording: Recording, seed: int, kinds: Sequence[str], other: Recording | None = None
) -> tuple[Recording, Truth] | None:
    """A recording with a fault, and the truth about it.

    Args:
        recording: A clean recording.
        seed: The simulation's.
        kinds: Names of the faults to choose from, as of `kinds_of`.
        other: A clean recording of another run of the same file, recorded in the same way, for faults that need one.

    Returns:
        None where none of them can be made.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> recording = history_of(life_of(scenario_named("steady"), 1, 7))
        >>> made, truth = broken(recording, 1, ("ended_twice",))
        >>> truth.breaks, truth.rows, made.rows[3].data["status"]
        (('RE103',), (3,), 'cancelled')
    """
    chance = Chance(seed, "fault", recording.life.index)
    left = [name for name in kinds if recording.view in FAULTS[name].views]
    while left:
        fault = FAULTS[left.pop(chance.below(len(left)))]
        made = made_by(fault, recording, chance, other)
        if made is not None:
            return made
    return None


def made_by(
    fault: Fault, recording: Recording, chance: Chance, other: Recording | None = None
) -> tuple[Recording, Truth] | None:
    """A recording with one certain fault, and the truth about it.

    Args:
        fault: The fault.
        recording: A clean recording, of one of its views.
        chance: The draws.
        other: See `broken`.

    Example:
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.recording import history_of
        >>> recording = history_of(life_of(scenario_named("steady"), 1, 7))
        >>> made_by(FAULTS["lost_row"], recording, Chance(1))[1].rows
        (1,)
    """
    made = fault.apply(recording, chance, other)
    if made is None:
        return None
    life, rows = recording.life, tuple(place for place, row in enumerate(made.rows) if row.broken)
    truth = Truth(
        run_id=life.run_id,
        thread_id=life.thread_id,
        index=life.index,
        fault=fault.name,
        breaks=fault.breaks,
        may=fault.may,
        view=recording.view,
        seen=bool(rows) and bool(fault.breaks) and not fault.awaited and not fault.alone,
        rows=rows,
        others=(other.life.run_id,) if fault.reaches and other is not None else (),
    )
    return made, truth
