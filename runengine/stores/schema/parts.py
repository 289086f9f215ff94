"""What the statements are put together from: a statement with its comment, and our own words as SQL.

No value from outside is ever formatted into SQL, but for the name of a policy, which `literal` quotes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from attrs import frozen

__all__ = ["DATABASES", "Database", "Statement", "listed", "literal"]

Database = Literal["sqlite", "postgres"]
"""The databases that the rules are written for."""

DATABASES: Final[tuple[Database, ...]] = ("sqlite", "postgres")


@frozen
class Statement:
    """One statement, and what it is for.

    Attributes:
        comment: A sentence for who reads the script; may be empty.
        sql: Without the last semicolon.

    Example:
        >>> print(Statement("Nothing.", "SELECT 1").shown)
        -- Nothing.
        SELECT 1;
    """

    comment: str
    sql: str

    @property
    def shown(self) -> str:
        """As it stands in a script."""
        above = "".join(f"-- {line}\n" for line in self.comment.splitlines())
        return f"{above}{self.sql};"


def literal(text: str) -> str:
    """A text as SQL.

    Example:
        >>> literal("Ann's")
        "'Ann''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def listed(texts: Iterable[str]) -> str:
    """Texts as SQL, as they stand in `IN (…)`.

    Example:
        >>> listed(("queued", "failed"))
        "'queued', 'failed'"
    """
    return ", ".join(literal(text) for text in texts)
