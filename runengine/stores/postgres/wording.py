"""What a database is called and what its errors mean, in words. It knows nothing of the driver.

A password is in the address alone: no message here repeats what the driver says about one that holds a password.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from runengine.dialects.kotlin_sql import masked
from runengine.errors import SchemaMismatch, StoreError, StoreUnavailable

__all__ = ["DOUBT", "HOST_GONE", "NOT_TEXT", "STALE_HOST", "Conflict", "Gone", "Where"]

NOT_TEXT: Final = "PostgreSQL cannot store a NUL, a lone surrogate, or what its encoding has no sign for"

DOUBT: Final = (
    "the connection was lost while the write was made durable, and whether it was is not known; read the run, "
    "and write with a key: a request with a key can always be made again"
)
HOST_GONE: Final = "the host's connection was lost, and with it all that its transaction wrote; begin it again"
STALE_HOST: Final = (
    "the host's transaction met a later one (deadlock, or an isolation stricter than read committed); "
    "roll it back and begin it again"
)

_UNIQUE: Final = "23505"
_CONFLICTS: Final = (_UNIQUE, "40001", "40P01")  # a unique index, a serialization failure, a deadlock
_LOST: Final = ("08", "57P01", "57P02", "57P03", "57P05", "25P03")
_GONE_TABLES: Final = ("42P01", "42703", "3F000")
_NOT_TEXT: Final = ("22021", "22P05")
_POOLER: Final = "a pooler in between mixes up prepared statements; let it pool sessions, or go past it"
_SENTENCES: Final = {
    "26000": _POOLER,
    "42P05": _POOLER,
    "25006": "it is read-only (a standby, or default_transaction_read_only is on); give the address of one that is not",
    "42501": "the user may not do this; grant it SELECT, INSERT, UPDATE and DELETE on the tables runengine_*",
    "53100": "the server's disk is full; make room, then ask again",
    "53200": "the server is out of memory; ask again later",
    "53300": "the server has no connection left; close some, raise its max_connections, or use a smaller pool",
    "55P03": "something was locked for too long by another transaction; pg_stat_activity shows which; then ask again",
    "57014": "the statement was cancelled, by statement_timeout or by hand; ask again",
}
_UNREACHABLE: Final = (
    ("password authentication failed", "the server refuses the user or the password; correct the address"),
    ("no password supplied", "the server wants a password; write it into the address, or set PGPASSWORD"),
    ("no pg_hba.conf entry", "the server lets in nobody from here; see its pg_hba.conf"),
    ("connection refused", "nothing listens there; start the server, or correct host and port"),
    ("no such file or directory", "nothing listens there; start the server, or correct the folder of its socket"),
    ("resolve host", "there is no such host; correct the address"),
    ("translate host name", "there is no such host; correct the address"),
    ("too many clients", _SENTENCES["53300"]),
    ("connection slots are reserved", _SENTENCES["53300"]),
    ("starting up", "the server is starting; ask again in a moment"),
    ("shutting down", "the server is shutting down; ask again once it is back"),
    ("timeout", "it does not answer; correct host and port, or ask again"),
    ("ssl", "no agreement about encryption; see sslmode in the address, and the certificates"),
    ("role", "there is no such user; correct the address, or create it: createuser NAME"),
    ("database", "there is no such database; correct the address, or create it: createdb NAME"),
)
"""What in a refusal to connect tells which it is; the first that is found counts."""


class Conflict(Exception):
    """Another transaction was first: read again, plan again.

    Example:
        >>> Conflict("23505").is_unique
        True
    """

    @property
    def is_unique(self) -> bool:
        """Whether a unique index was met."""
        return self.args == (_UNIQUE,)


class Gone(Exception):
    """The connection was lost.

    Example:
        >>> issubclass(Gone, StoreError)
        False
    """


@frozen(kw_only=True)
class Where:
    """A database, and how long it is waited for.

    Attributes:
        url: Its address.
        timeout_s: For a connection, and for what others have locked.

    Example:
        >>> Where(url="postgresql://me:secret@localhost/runs", timeout_s=30)
        Where(postgresql://me:***@localhost/runs)
    """

    url: str
    timeout_s: float

    def __repr__(self) -> str:
        return f"Where({self.shown})"

    @property
    def shown(self) -> str:
        """The address, its password hidden."""
        return masked(self.url)

    def unavailable(self, problem: str) -> StoreUnavailable:
        """The error that says so of this database."""
        return StoreUnavailable(self.shown, problem)

    def unreachable(self, error: Exception) -> StoreUnavailable:
        """What a refusal to connect means."""
        text = str(error).lower()
        code = str(getattr(error, "sqlstate", None))
        for mark, sentence in _UNREACHABLE:
            if mark in text:
                return self.unavailable(sentence)
        if code in _SENTENCES:
            return self.unavailable(_SENTENCES[code])
        said = f": {str(error).strip().splitlines()[-1]}" if self.shown == self.url and text.strip() else ""
        return self.unavailable(f"it cannot be reached{said}")

    def busy(self, connections_max: int) -> StoreUnavailable:
        """All connections of the pool are in use."""
        return self.unavailable(
            f"all {connections_max} connections of the pool were in use for {self.timeout_s:g} s; use a larger pool"
        )

    def answered(self, code: str, said: str) -> Exception:
        """What an error of the server means: `Conflict`, `Gone`, or what the caller is told.

        Args:
            code: The SQLSTATE.
            said: The server's own sentence, which says nothing of the address.
        """
        if code.startswith(_LOST):
            return Gone()
        if code in _CONFLICTS:
            return Conflict(code)
        if code in _NOT_TEXT:
            return ValueError(NOT_TEXT)
        if code == "54000":
            return ValueError("an id, a name or a key is too long for PostgreSQL's indexes (2,700 bytes)")
        if code in _SENTENCES:
            return self.unavailable(_SENTENCES[code])
        if code in _GONE_TABLES:
            return SchemaMismatch(self.shown, "its tables are not runengine's, or gone: runengine store init URL")
        return StoreError(f"{self.shown}: the database refuses ({code}): {said}")
