"""Addresses of databases, told from paths and shown without their passwords."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["NO_DRIVER", "is_database_url", "masked"]

NO_DRIVER: Final = "kotlin-sql: reading and writing databases needs pip install 'runengine[sql]'"
"""What is said where SQLAlchemy or psycopg is not installed."""

_URL: Final = re.compile(r"[A-Za-z][\w+.-]+://")  # one letter is a drive
_PASSWORD: Final = re.compile(r"^([\w+.-]+://[^:/@?]*):.*@", re.DOTALL)
_PASSWORD_OPTION: Final = re.compile(r"([?&](?:ssl)?password=)[^&]*", re.IGNORECASE)


def is_database_url(text: str) -> bool:
    """Whether it is an address, and no path. One of no database that is known is refused where it is opened.

    Example:
        >>> is_database_url("sqlite:///runs.db"), is_database_url("mysql://host/runs"), is_database_url("runs.db")
        (True, True, False)
    """
    return _URL.match(text) is not None


def masked(url: str) -> str:
    """The address with its password hidden.

    Example:
        >>> masked("postgresql://me:secret@localhost/runs")
        'postgresql://me:***@localhost/runs'
        >>> masked("sqlite:///runs.db")
        'sqlite:///runs.db'
    """
    return _PASSWORD_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))
