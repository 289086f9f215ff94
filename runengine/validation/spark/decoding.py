"""Rows that Spark hands over as columns and as items: as those of a Parquet file. What workers are told.

Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from attrs import evolve, field, frozen

from runengine.core.table import POLICIES, Policy
from runengine.validation.bulk.batch import Keys
from runengine.validation.bulk.coded import ARROW, keys_of
from runengine.validation.bulk.hashing import hash_rows
from runengine.validation.bulk.table_batch import Decoder
from runengine.validation.bulk.table_source import unfit
from runengine.validation.observations import Item
from runengine.validation.readers.columns import Plan, plan_of
from runengine.validation.readers.tables import row_items
from runengine.validation.spark.addresses import name_of, plain_name_of
from runengine.validation.summary import Options

__all__ = ["Told", "scoped"]


@frozen(kw_only=True)
class Told:
    """What a worker is told; small, and sent with the task.

    Attributes:
        options: What to hold rows to.
        plan: What is read of them.
        in_files: Rows are told apart by file and row of a file; by a column that orders all of them otherwise.
        names: What files are called, by their plain names, where they are called otherwise, and their turns.

    Example:
        >>> told = Told.of(Options(), pa.schema({"id": pa.string(), "status": pa.string()}), True)
        >>> told.options.policy is Options().policy
        True
    """

    plan: Plan
    in_files: bool
    names: Mapping[str, tuple[int, str]]
    _options: Options = field(alias="sent")

    @classmethod
    def of(
        cls, options: Options, schema: pa.Schema, in_files: bool, names: Mapping[str, tuple[int, str]] | None = None
    ) -> Told:
        """What is to be told.

        Args:
            options: What to hold rows to.
            schema: Their columns.
            in_files: See there.
            names: See there.

        Raises:
            ValueError: no column is for a run.
        """
        plan, problems = plan_of(ARROW, schema)
        if plan is None:
            raise ValueError(problems[-1])
        policy = Policy(name=options.policy.name, rows=options.policy.rows)  # without what was derived of it
        return cls(plan=plan, in_files=in_files, names=dict(names or {}), sent=evolve(options, policy=policy))

    @property
    def options(self) -> Options:
        """What to hold rows to: a policy of the project is that policy again, as some rules ask for it."""
        known = POLICIES.get(self._options.policy.name)
        if known is None or known.rows != self._options.policy.rows:
            return self._options
        return evolve(self._options, policy=known)

    @property
    def sieved(self) -> bool:
        """Whether columns can vouch for rows; else all of them are shown to the checker, file by file."""
        return unfit(self.plan, self._options) is None

    def name(self, path: str) -> tuple[int, str]:
        """The turn of a file, and what it is called; the first and its plain name where nothing is told of it."""
        return self.names.get(plain_name_of(path)) or (0, name_of(path))

    def decoder(self) -> Decoder:
        """Makes batches of rows."""
        return Decoder(self.plan, self.options)

    def keys(self, rows: Any) -> tuple[Keys, Keys]:
        """Keys of run and thread of rows; those of a recording that is not sieved are all alike."""
        if not self.sieved:
            return np.zeros(rows.num_rows, np.uint64), np.ones(rows.num_rows, np.uint64)
        by_name = {each.name: each.column for each in self.plan.fields}
        return keys_of(rows.column(by_name["id"])), keys_of(rows.column(by_name["thread_id"]))

    def items(self, rows: Any, lines: Sequence[int]) -> Iterator[Item]:
        """What the reader of Parquet yields of rows."""
        return row_items(ARROW, rows, self.plan, lines)


def scoped(keys: Keys, scope: int) -> Keys:
    """Keys within one recording: those of another one are others. 0 stays 0.

    Args:
        keys: The keys.
        scope: The recording's.

    Example:
        >>> scoped(np.array([0, 7], np.uint64), 3).tolist() == [0, 7], int(scoped(np.array([0], np.uint64), 3)[0])
        (False, 0)
    """
    mixed = hash_rows(keys, np.full(len(keys), scope, np.uint64))
    return np.where(keys == 0, np.uint64(0), mixed)
