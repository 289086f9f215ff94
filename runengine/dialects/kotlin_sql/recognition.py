"""Which generation's tables a database has, or what is wrong with them, from the names of its tables and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from attrs import frozen

from runengine.core.candidates import span
from runengine.core.fields import FIELDS
from runengine.core.generations import LATEST
from runengine.dialects.kotlin_sql.tables import DOCUMENT, POSITION, ROW_KEY, every_table, run_table

__all__ = ["Recognised", "recognise"]

_RUNS: Final = "RunObject"
_ALL: Final = range(DOCUMENT, LATEST.number + 1)


@frozen(kw_only=True)
class Recognised:
    """What the tables of a database are.

    Attributes:
        generation: Whose tables they are; of several, the last.
        surplus: Columns of runs that no generation has.
        problem: Why they cannot be read, or None.

    Example:
        >>> recognise({"RunObject": {"id"}}).problem
        'half a set of tables: no column RunObject.object'
    """

    generation: int
    surplus: tuple[str, ...] = ()
    problem: str | None = None


def recognise(found: Mapping[str, set[str]]) -> Recognised:
    """Tell the generation, the last of several, with the most tables and columns that are all there.

    Args:
        found: The columns of every table, one of which is `RunObject`.

    Example:
        >>> found = {name: set(columns) for name, columns in _wanted(7).items()}
        >>> found["RunObject"].add("tenant")
        >>> recognise(found)
        Recognised(generation=7, surplus=('tenant',), problem=None)
    """
    whole = [g for g in _ALL if next(_missing(found, g), None) is None]
    if not whole:
        problem = _bare(found) or f"half a set of tables: no {next(_missing(found, DOCUMENT))}"
        return Recognised(generation=DOCUMENT, problem=problem)
    generation = max(whole, key=lambda g: (sum(len(columns) for columns in _wanted(g).values()), g))
    surplus = sorted(found[_RUNS] - _wanted(generation)[_RUNS].keys())
    for column in surplus:
        if column in FIELDS:
            return Recognised(generation=generation, problem=_half_migrated(found, generation, column))
    return Recognised(generation=generation, surplus=tuple(surplus))


def _wanted(generation: int) -> dict[str, dict[str, None]]:
    """The columns of every table, in order."""
    wanted: dict[str, dict[str, None]] = {}
    for table in every_table(run_table(generation)):
        wanted[table.name] = dict.fromkeys(table.names)
        for array in table.arrays:
            wanted[array.table] = dict.fromkeys((array.owner, array.item, POSITION))
    return wanted


def _missing(found: Mapping[str, set[str]], generation: int) -> Iterator[str]:
    for table, columns in _wanted(generation).items():
        if table not in found:
            yield f"table {table}"
            continue
        yield from (f"column {table}.{column}" for column in columns if column not in found[table])


def _bare(found: Mapping[str, set[str]]) -> str | None:
    """What is said of the document's own tables: all that lacks is what runengine adds."""
    added = {f"column {table}.{name}" for table in found for name in (ROW_KEY, POSITION)}
    for generation in _ALL:
        # a table without columns, as the document has one, is none that a database can have
        empty = {f"table {table}" for table, columns in _wanted(generation).items() if list(columns) == [ROW_KEY]}
        if set(_missing(found, generation)) <= added | empty and ROW_KEY not in found[_RUNS]:
            return (
                f"these are the document's own tables, without {ROW_KEY} and {POSITION}: the long columns then name "
                "no row that could be found, and arrays have no order; write runs with convert --to kotlin-sql"
            )
    return None


def _half_migrated(found: Mapping[str, set[str]], generation: int, column: str) -> str:
    having = tuple(g for g in _ALL if column in _wanted(g)[_RUNS])
    if not having:
        return f"RunObject.{column}: it is no column in any generation but a table of its own"
    nearest = min(having, key=lambda g: (len(list(_missing(found, g))), abs(g - generation), g))
    lacking = ", ".join(_missing(found, nearest))
    return (
        f"between two generations: the tables are those of G{generation}, but RunObject.{column} is a column "
        f"of {span(having)}, and for G{nearest} there is no {lacking}"
    )
