"""What the runs of a chunk carry beside their moments: ids, tokens, words, calls; by the column, when asked for."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from runengine.core.shape import ARRIVAL_STAMP
from runengine.simulation.vectors.draws import Draws, Ints, Words, uniforms
from runengine.simulation.vectors.histories import Histories
from runengine.simulation.vectors.tables import Choice, Table
from runengine.simulation.vectors.world import STARTS

__all__ = ["CALLS_MAX", "CUT", "Details", "Names", "names"]

CUT: Final = ("fail", "finish_cancel", "expire")
"""Events that end runs whose tokens may be left uncounted (FACTS B3)."""

Names = NDArray[np.bytes_]
"""Ids, in ASCII."""

CALLS_MAX: Final = 128
"""Calls of a round, at most: the counters of a run's calls lie so far apart."""

_UNLIMITED: Final = np.iinfo(np.int64).max
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_WORD: Final = np.uint64(0xFFFF)


def names(prefix: str, draws: Draws, purpose: str, counters: Words) -> Names:
    """Ids as the API's look: a prefix, and 24 letters and digits.

    Args:
        prefix: As `run_`.
        draws: Of the seed.
        purpose: What the ids are of.
        counters: What is numbered by them.

    Example:
        >>> names("run_", Draws(1), "run", np.arange(2, dtype=np.uint64))[0].decode()
        'run_rt7YtvBy8KD0F4kAdJN71LMz'
    """
    letters = np.empty((len(counters), len(prefix) + 24), np.uint8)
    letters[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    for half in range(2):
        bits = draws.bits(f"{purpose} id", half, counters)
        for quarter in range(4):
            place = len(prefix) + 12 * half + 3 * quarter
            letters[:, place : place + 3] = _triples()[(bits >> np.uint64(16 * quarter)) & _WORD]
    return letters.view(f"S{letters.shape[1]}").reshape(-1)


@cache
def _triples() -> NDArray[np.uint8]:
    """Three letters for each 16 bits."""
    letters = np.frombuffer(_ALPHABET, np.uint8)
    size = len(letters)
    numbers = np.arange(1 << 16) * size**3 >> 16
    return np.stack([letters[numbers // size**2], letters[numbers // size % size], letters[numbers % size]], axis=1)


class Details:
    """The details of some histories.

    Args:
        histories: The histories.

    Example:
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.simulation.vectors.histories import histories
        >>> details = Details(next(histories(scenario_named("steady"), 1, 3)))
        >>> len(details.run_id), len(details.prompt_tokens)
        (3, 3)
    """

    def __init__(self, histories: Histories) -> None:
        self._of: Final = histories
        self._scenario: Final = histories.world.scenario

    @cached_property
    def run_id(self) -> Names:
        """Of each run, its id."""
        return names("run_", self._of.draws, "run", self._of.runs)

    @cached_property
    def refusals(self) -> tuple[list[int], list[bytes]]:
        """The places of runs that were first refused, and the id of the run that their thread was busy with."""
        places = np.flatnonzero(self._of.refused_us >= 0)
        before = names("run_", self._of.draws, "run", self._of.runs[places] - np.uint64(1))
        return places.tolist(), before.tolist()

    @cached_property
    def thread_id(self) -> Names:
        """Of each run, the id of its thread."""
        return names("thread_", self._of.draws, "thread", self._of.thread.astype(np.uint64))

    @cached_property
    def assistant(self) -> Ints:
        """Of each run, the number of its assistant in the scenario; a thread has one."""
        bits = self._of.draws.bits("assistant", 0, self._of.thread.astype(np.uint64))
        return Choice(one.share for one in self._scenario.assistants).of(bits)

    @cached_property
    def stretches(self) -> Ints:
        """Of each run, how often it was started."""
        starts = np.array(
            [row.edge is not None and ARRIVAL_STAMP.get(row.target) == STARTS for row in self._of.world.rows]
        )
        return np.add.reduceat(starts[self._of.row].astype(np.int64), self._of.offsets[:-1])

    @cached_property
    def prompt_tokens(self) -> Ints:
        """Of each run, the prompt tokens of its whole life; its assistant's limit at most."""
        limits = [one.max_prompt_tokens for one in self._scenario.assistants]
        return self._tokens("prompt", Table(self._scenario.usage.prompt_tokens), limits)

    @cached_property
    def completion_tokens(self) -> Ints:
        """Of each run, the completion tokens of its whole life; its assistant's limit at most."""
        limits = [one.max_completion_tokens for one in self._scenario.assistants]
        return self._tokens("completion", Table(self._scenario.usage.completion_tokens), limits)

    def _tokens(self, purpose: str, table: Table, limits: list[int | None]) -> Ints:
        counts = table.of(self._of.draws.bits(purpose, 0, self._of.runs)) * self.stretches
        drawn = np.rint(counts).astype(np.int64)
        if any(limits):
            most = np.array([_UNLIMITED if limit is None else limit for limit in limits])
            np.minimum(drawn, most[self.assistant], out=drawn)
        return drawn

    @cached_property
    def counted(self) -> NDArray[np.bool_]:
        """Of each run, whether its tokens are counted where it fails, is cancelled, or expires; else they are zeros."""
        return uniforms(self._of.draws.bits("partial", 0, self._of.runs)) < self._scenario.usage.partial

    @cached_property
    def error(self) -> Ints:
        """Of each run, the number of the error's code in the scenario, should it fail."""
        return Choice(self._scenario.errors.values()).of(self._of.draws.bits("error", 0, self._of.runs))

    @cached_property
    def limit(self) -> Ints:
        """Of each run, the number of the limit's reason in the scenario, should it meet one."""
        return Choice(self._scenario.limits.values()).of(self._of.draws.bits("limit", 0, self._of.runs))

    @cached_property
    def entry_run(self) -> Ints:
        """Of each entry, the place of its run."""
        return np.repeat(np.arange(len(self._of)), np.diff(self._of.offsets))

    @cached_property
    def step(self) -> Ints:
        """Of each entry, its number in the history of its run, from 0."""
        return np.arange(len(self._of.row)) - self._of.offsets[self.entry_run]

    @cached_property
    def calls(self) -> Ints:
        """Of each entry, how many calls it asks for, should it require action."""
        bits = self._of.draws.bits("calls", 0, self._entry_counters(slice(None), 0, 1))
        return Choice(self._scenario.tools.calls).of(bits) + 1

    def call_id(self, entries: Ints | list[int], number: int) -> Names:
        """Ids of calls.

        Args:
            entries: The places of the entries that ask for them.
            number: Which call of the entry, from 0.
        """
        return names("call_", self._of.draws, "call", self._entry_counters(entries, number, CALLS_MAX))

    def call_function(self, entries: Ints | list[int], number: int) -> Ints:
        """The number of the function in the scenario that each call is of; arguments as of `call_id`."""
        bits = self._of.draws.bits("function", 0, self._entry_counters(entries, number, CALLS_MAX))
        return (bits % np.uint64(len(self._scenario.tools.functions))).astype(np.int64)

    def _entry_counters(self, entries: Ints | list[int] | slice, number: int, each: int) -> Words:
        """A counter of its own for each entry of each run that there can be, and each call of it."""
        room = self._scenario.steps_max + 2 * len(self._of.world.rows)
        entry = self._of.runs[self.entry_run[entries]] * np.uint64(room) + self.step[entries].astype(np.uint64)
        return entry * np.uint64(each) + np.uint64(number)
