"""The native form: the snake_case JSON of the API itself.

The law, held by a test over every generation and every recorded row: what reads is written back equal, with its
unknown keys, its nulls and its missing keys told apart, and `1` not turned into `1.0`.
"""

from __future__ import annotations

from typing import Final

from runengine.core.parts import JSON
from runengine.core.records import RunObject
from runengine.dialects.structuring import make_reader, make_writer

__all__ = ["read_run", "write_run"]

_read: Final = make_reader("native")
_write: Final = make_writer()


def read_run(value: JSON | bytes | str) -> RunObject:
    """Read a run.

    A key that may be null may also be missing: the field is then None and named in `absent`. Nothing is coerced, save
    that an int may stand where a float is declared, and stays an int. Words but the status are open.

    Args:
        value: A JSON text, or what `runengine.dialects.wire.decode` makes of one; its free objects are shared
            with the record.

    Raises:
        PayloadError: keys are missing or values of the wrong type; every problem is named with its path. `NotJSON`,
            its subclass, if the text is no JSON.
        UnknownSpelling: the only problem is a status that is none of the nine.

    Example:
        >>> run = read_run('''{"id": "run_1", "object": "thread.run", "created_at": 1700000000, "thread_id": "thread_1",
        ...     "assistant_id": "asst_1", "status": "queued", "model": "gpt-4o", "tools": [], "seen": true}''')
        >>> run.status, run.extra, "usage" in run.absent
        ('queued', {'seen': True}, True)
        >>> read_run({"id": 5, "status": "queued"})
        Traceback (most recent call last):
        runengine.errors.PayloadError: $.id: expected str, found int 5; $.object: missing, expected str; ...
    """
    return _read(value)


def write_run(run: RunObject) -> dict[str, JSON]:
    """Write a run as a plain value, for `runengine.dialects.wire.encode`.

    A field is left out if it is None and named in `absent`. Declared fields come first, in the order of the last
    generation, then `extra`.

    Args:
        run: The run; its free objects are copied one level deep.

    Raises:
        DialectError: `extra` holds a declared key.

    Example:
        >>> write_run(RunObject(id="run_1", thread_id="thread_1", assistant_id="asst_1", status="queued",
        ...     created_at=1700000000, model="gpt-4o", temperature=1))["temperature"]
        1
    """
    return _write(run)
