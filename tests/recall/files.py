"""Files of many recordings, and what the checker says of each run in them."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence

from attrs import frozen

from runengine.core import PERMISSIVE, PRACTICAL
from runengine.dialects.wire import encode
from runengine.simulation.recording import Recording, Row, View
from runengine.validation import Checker, Options, Violation
from runengine.validation.readers import read_items

__all__ = ["File", "said_of", "written"]


@frozen
class File:
    """One file.

    Attributes:
        text: Its bytes.
        owner: For each line, from 1, the number of its run.
        broken: For each run the lines at which its fault can be seen.
    """

    text: bytes
    owner: dict[int, int]
    broken: dict[int, set[int]]


def written(made: Sequence[Recording]) -> File:
    """One file of many recordings: rows in order of time, but stream after stream.

    Args:
        made: The recordings, all of one view.
    """
    view = made[0].view
    rows: list[tuple[int, int, Row]] = []
    for number, recording in enumerate(made):
        latest = 0
        for row in recording.rows:
            latest = max(latest, row.at_us)
            rows.append((latest, number, row))
    if view != "stream":
        rows.sort(key=lambda r: r[0])
    text, line = bytearray(), 1
    owner: dict[int, int] = {}
    broken: dict[int, set[int]] = defaultdict(set)
    for _, number, row in rows:
        data = _block(row) if view == "stream" else _line(row)
        more = data.count(b"\n")
        owner.update(dict.fromkeys(range(line, line + more), number))
        if row.broken:
            broken[number].add(line)
        text += data
        line += more
    return File(bytes(text), owner, broken)


def _line(row: Row) -> bytes:
    text = encode(row.envelope()) if row.raw is None else row.raw
    return text if text.endswith(b"\n") else text + b"\n"


def _block(row: Row) -> bytes:
    if row.raw is not None:
        return row.raw
    data = row.data.encode() if isinstance(row.data, str) else encode(row.data)
    return f"event: {row.event}\n".encode() + b"data: " + data + b"\n\n"


def said_of(file: File, made: Sequence[Recording]) -> dict[int, list[Violation]]:
    """What the checker says, by the number of the run it speaks of.

    What is said of a stream's end stands where the next stream ends, so its run tells whose it is.

    Args:
        file: The file.
        made: The recordings it was made of.
    """
    numbers = {recording.life.run_id: number for number, recording in enumerate(made)}
    owned: dict[int, list[Violation]] = defaultdict(list)
    for violation in _checked(file, made[0].view, made[0].life.scenario.policy):
        number = file.owner.get(violation.line, len(made) - 1)
        if violation.code == "RE404" and violation.run_id is not None:
            number = numbers.get(violation.run_id, number)
        owned[number].append(violation)
    return owned


def _checked(file: File, view: View, policy: str) -> list[Violation]:
    path = "made.sse" if view == "stream" else "made.jsonl"
    checker = Checker(Options(policy=PERMISSIVE if policy == "permissive" else PRACTICAL))
    items = read_items(path, io.BufferedReader(io.BytesIO(file.text)), checker.skim)
    return list(checker.check(path, items))
