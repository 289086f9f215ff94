"""Addresses of databases, told from paths and shown without their passwords."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

__all__ = ["ADDRESS", "NO_DRIVER", "is_database_url", "is_like_address", "masked"]

NO_DRIVER: Final = "kotlin-sql: reading and writing databases needs pip install 'runengine[sql]'"
"""What is said where SQLAlchemy or psycopg is not installed."""

ADDRESS: Final = "sqlite:///FILE or postgresql://user@host/db"
"""How a database is given."""

_HIDDEN: Final = "***"
_URL: Final = re.compile(r"[A-Za-z][\w+.-]+://")  # one letter is a drive
_FILE: Final = "sqlite:///"
_HOST: Final = r"(?:\[[\dA-Fa-f:.%]*\]|[^:/?#@\[\],\s]*)(?::\d*)?"
_KNOWN: Final = re.compile(
    rf"(postgres(?:ql)?://)(?:([^:/?#@\s]*)(?::([^:/?#@\s]*))?@)?({_HOST}(?:,{_HOST})*)(/[^?#@]*)?(?:\?(.*))?",
    re.DOTALL,
)
_WORD: Final = re.compile(r"\w+", re.ASCII)
_OPTIONS: Final = frozenset(
    _WORD.findall(
        "host hostaddr port dbname user connect_timeout client_encoding options application_name service passfile "
        "fallback_application_name keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout "
        "replication gssencmode gsslib gssdelegation krbsrvname requirepeer require_auth channel_binding "
        "sslmode requiressl sslnegotiation sslcompression sslcert sslkey sslcertmode sslrootcert sslcrl sslcrldir "
        "sslsni ssl_min_protocol_version ssl_max_protocol_version target_session_attrs load_balance_hosts"
    )
)
"""Options of an address in which nobody writes a secret; all others may hold one."""

_DECODED_MAX: Final = 3
_AFTER_COLON: Final = re.compile(r"^\W*(?:[A-Za-z][\w+.-]*:/+|/+)?[^:]*?:(.+)@", re.DOTALL)
_NO_PORT: Final = re.compile(r"^[A-Za-z][\w+.-]*://[^:/@?]*:(?!\d*(?:[/?,]|$))([^/?@]+)")
_NAMED: Final = re.compile(r"[\w-]*(?:pass|pwd|secret|token|cred)[\w-]*\s*[=:]\s*(\S.*)", re.IGNORECASE | re.DOTALL)
_FILE_OPTION: Final = re.compile(rf"(?<=[?&;\s]){_NAMED.pattern}", _NAMED.flags)
_PAIR: Final = re.compile(r"(?:^|\s)(?:host|hostaddr|port|dbname|user|service|sslmode)\s*=", re.IGNORECASE)
_SCHEME: Final = re.compile(r"(?:postgres|postgresql|sqlite|mysql|mariadb|mssql|oracle)\b\W*[:/]", re.IGNORECASE)


def is_database_url(text: str) -> bool:
    """Whether it is an address, and no path. One of no database that is known is refused where it is opened.

    Example:
        >>> is_database_url("sqlite:///runs.db"), is_database_url("mysql://host/runs"), is_database_url("runs.db")
        (True, True, False)
    """
    return _URL.match(text) is not None


def is_like_address(text: str) -> bool:
    """Whether an address seems to be meant, rightly written or not.

    Example:
        >>> is_like_address("host=localhost dbname=runs"), is_like_address("me:secret@host/runs")
        (True, True)
        >>> is_like_address("recordings/a.jsonl")
        False
    """
    return any(found.search(text) for found in (_URL, _PAIR, _SCHEME)) or masked(text) != text


def masked(text: str) -> str:
    """An address, or what was given for one, with every password hidden.

    What stands where in a well-formed address is known. In all else whatever may be a secret is hidden, and more with
    it rather than less.

    Example:
        >>> masked("postgresql://me:secret@localhost/runs?sslmode=require")
        'postgresql://me:***@localhost/runs?sslmode=require'
        >>> masked("host=localhost password=secret dbname=runs"), masked("me:secret@localhost/runs")
        ('host=localhost password=***', 'me:***@localhost/runs')
        >>> masked("sqlite:///runs.db")
        'sqlite:///runs.db'
    """
    known = _KNOWN.fullmatch(text)
    if known is not None and (shown := _shown(known)) is not None:
        return shown
    plain = _decoded(text)
    if plain is None:
        return _HIDDEN
    shown = _hidden(plain)
    return text if shown == plain else shown


def _decoded(text: str) -> str | None:
    """A text without percent signs that stand for others; None where they do again and again."""
    for _ in range(_DECODED_MAX):
        if (decoded := unquote(text)) == text:
            return text
        text = "".join(sign if sign.isprintable() else "?" for sign in decoded)
    return None


def _shown(known: re.Match[str]) -> str | None:
    """A well-formed address; None where what seems to be a user, a host or a name holds more than that."""
    scheme, user, password, hosts, path, query = known.groups()
    for part, signs in ((user, ":="), (hosts, ":@="), (path, ":@=")):
        decoded = _decoded(part or "")
        if decoded is None or any(decoded.count(sign) > (part or "").count(sign) for sign in signs):
            return None
        if decoded != _hidden(decoded):
            return None
    who = "" if user is None else f"{user}@" if password is None else f"{user}:{password and _HIDDEN}@"
    options = "" if query is None else "?" + "&".join(map(_option, query.split("&")))
    return f"{scheme}{who}{hosts}{path or ''}{options}"


def _option(text: str) -> str:
    name, equals, value = text.partition("=")
    if not text or (equals and not value and _WORD.fullmatch(name)):
        return text
    decoded = _decoded(value)
    if unquote(name).strip().lower() in _OPTIONS and decoded is not None and _hidden(decoded) == decoded:
        return text
    return f"{name if equals and _WORD.fullmatch(name) else _HIDDEN}={_HIDDEN}"


def _hidden(text: str) -> str:
    """A text of no known form, without what may be a secret."""
    forms = (_FILE_OPTION,) if _is_file(text) else (_AFTER_COLON, _NO_PORT, _NAMED)
    spans = sorted(found.span(1) for form in forms if (found := form.search(text)))
    shown, end = "", 0
    for first, last in spans:
        if first >= end:  # else it overlaps the one before, and goes with it
            shown += text[end:first] + _HIDDEN
        end = max(end, last)
    return shown + text[end:]


def _is_file(text: str) -> bool:
    return text.startswith(_FILE) and "://" not in text.removeprefix(_FILE)
