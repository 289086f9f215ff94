"""Simulated runs in a store: whole histories, as the runtime's own plans would have written them, taken in at once.

A store keeps records in the latest generation, without a dialect, and only what is lawful: faults have no place in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from runengine.core import Create, Policy, Refused
from runengine.embedding.plans.moves import Context, Moves
from runengine.embedding.settings import Settings
from runengine.errors import RunExists, StoreError, StoreUnavailable
from runengine.simulation.lives import Life, lives_of
from runengine.simulation.scenario import Scenario
from runengine.simulation.writing.chunk import Chunk
from runengine.stores import Life as Kept
from runengine.stores import Store
from runengine.stores.opening import open_store, schema_of, stored_policy

__all__ = ["fill", "fill_at", "kept_of", "unfit"]

_SQLITE: Final = "sqlite:///"


def kept_of(life: Life, policy: Policy) -> Kept:
    """A run as a store keeps it: its row, and an entry for each event.

    Args:
        life: The run.
        policy: Whose rules the store keeps.

    Raises:
        TransitionNotAllowed: the policy does not allow what happened to it.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.simulation.lives import life_of
        >>> from runengine.simulation.ready import scenario_named
        >>> kept = kept_of(life_of(scenario_named("steady"), 1, 7), PRACTICAL)
        >>> kept.row.version, [entry.name for entry in kept.entries]
        (3, ['create', 'start', 'complete'])
    """
    context, entries = Context(policy=policy, settings=Settings()), []
    row = None
    for event in life.events:
        moves = Moves(context, event.at_us)
        if row is None:
            assert isinstance(event, Create)
            row = moves.give_birth(event, digest=None)
        else:
            after = moves.take(row, event)
            if isinstance(after, Refused):
                raise after.error()
            row = after
        entries += [step.entry for step in moves.steps if step.entry is not None]
    assert row is not None
    return Kept(row=row, entries=tuple(entries))


def unfit(scenario: Scenario, policy: Policy) -> str | None:
    """The first step of a scenario that a policy does not have, as text; None where it has all.

    Args:
        scenario: The world.
        policy: Whose rules a store keeps.

    Example:
        >>> from runengine.core import DOCUMENTED, PRACTICAL
        >>> from runengine.simulation.ready import scenario_named
        >>> unfit(scenario_named("steady"), DOCUMENTED), unfit(scenario_named("steady"), PRACTICAL)
        ('cancel: requires_action -> cancelling', None)
    """
    lawful = {(row.source, row.event, row.target, row.edge) for row in policy.rows}
    for row in scenario.machine.rows:
        steps = {} if row.source is None else scenario.steps.get(row.source, {})
        is_taken = row.source is None or row.event == "expire" or (row.event in steps and steps[row.event].share)
        if is_taken and (row.source, row.event, row.target, row.edge) not in lawful:
            return str(row)
    return None


def fill(store: Store, policy: Policy, chunks: Iterable[Chunk]) -> None:
    """Take runs into a store, all or none.

    Args:
        store: The store.
        policy: Whose rules it keeps.
        chunks: The runs.

    Raises:
        StoreError: a run is broken, or is there already.
        StoreUnavailable: the store cannot be written.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.simulation.producing import chunks
        >>> from runengine.simulation.ready import scenario_named
        >>> from runengine.stores.memory import MemoryStore
        >>> store = MemoryStore()
        >>> fill(store, PRACTICAL, chunks(scenario_named("steady"), 1, 10))
        >>> store.head() >= 30
        True
    """
    try:
        store.restore(_kept(chunks, policy))
    except RunExists as error:
        why = "it has a run of this simulation already; take another --seed, or --first behind its last"
        raise StoreError(f"{store.url}: {why} ({error.run_id})") from None


def _kept(chunks: Iterable[Chunk], policy: Policy) -> Iterator[Kept]:
    for chunk in chunks:
        if chunk.faulted:
            raise StoreError("a store keeps no broken runs")
        for life in lives_of(chunk.histories):
            yield kept_of(life, policy)


def fill_at(url: str, scenario: Scenario, policy: Policy, chunks: Iterable[Chunk]) -> None:
    """Take runs into the store of an address, all or none; one that is not there is made.

    Args:
        url: As of `runengine.stores.opening.open_store`; memory is refused, as nobody would see it.
        scenario: The world.
        policy: Of a store that is made.
        chunks: The runs.

    Raises:
        StoreError: the store's policy does not have a step of the scenario, or it has a run already.
        StoreUnavailable: it cannot be opened or written. A SQLite file that was made for it is gone again.
        SchemaMismatch: its tables are of another version, or of a policy of the host's own.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.simulation.ready import scenario_named
        >>> fill_at("memory:", scenario_named("steady"), PRACTICAL, ())
        Traceback (most recent call last):
        runengine.errors.StoreUnavailable: memory: it is new and empty each time; give sqlite:///FILE or postgresql://…
    """
    if url in ("memory:", "memory://"):
        raise StoreUnavailable("memory", "it is new and empty each time; give sqlite:///FILE or postgresql://…")
    is_new = url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists()
    found = None if is_new else schema_of(url)
    held = policy if found is None else stored_policy(url) or policy
    if step := unfit(scenario, held):
        raise StoreError(f"the store keeps the rules of {held.name}, which do not have {step}; choose another store")
    done = False
    try:
        with closing(open_store(url, held)) as store:
            fill(store, held, chunks)
            done = True
    finally:
        if is_new and not done:
            for suffix in ("", "-wal", "-shm"):
                Path(url.removeprefix(_SQLITE) + suffix).unlink(missing_ok=True)
