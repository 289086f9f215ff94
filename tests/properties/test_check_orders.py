"""Order: what is said of a run is the same alone, among others in any order, and in any order of files.

RE501 speaks of two runs, and of one of them by name, so it is compared as the set of runs that it is said of. A stream
that breaks off ends where the next one does, so RE404 is compared as the runs that it is said of too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runengine.dialects.wire import decode, encode
from runengine.simulation.recording import Recording, View
from runengine.validation import Checker, Violation, check_paths
from runengine.validation.observations import Observation
from tests.recall.files import written
from tests.validation.checking import check_bytes
from tests.validation.mixtures import Mixture, items_of_file, mixtures

AS_SETS = ("RE404", "RE501")
FEW = settings(max_examples=settings().max_examples // 8)
"""An example here is eight runs checked several times."""

Said = Counter[tuple[object, ...]]


class Piece(NamedTuple):
    """Something of a file that stays whole: a line, or an event stream.

    Attributes:
        text: Its bytes.
        place: Its number among those of its run.
    """

    text: bytes
    place: int


Life = tuple[Piece, ...]
"""All of a run in its own order; of several runs, where one of them goes by another's id."""


def pieces(recording: Recording, *, bare: bool) -> list[bytes]:
    """The lines of a recording (as bare records, where that is asked for and it can be), or its stream."""
    text = written([recording]).text
    if recording.view == "stream":
        return [text if text.endswith(b"\n\n") else text + b"\n\n"]
    if not bare:
        return text.splitlines(keepends=True)
    rows = (row for row in recording.rows if row.raw is None)
    return [encode(row.data) + b"\n" for row in rows]


def lives(made: Sequence[Recording], *, bare: bool) -> list[Life]:
    """The runs of a mixture; those that share an id are one."""
    joined: list[tuple[set[Any], list[bytes]]] = []
    for recording in made:
        texts = pieces(recording, bare=bare)
        items = items_of_file(b"".join(texts), recording.view)
        ids: set[Any] = {item.record.get("id") for item in items if isinstance(item, Observation)} - {None}
        for other in [known for known in joined if known[0] & ids]:
            joined.remove(other)
            ids, texts = ids | other[0], other[1] + texts
        joined.append((ids, texts))
    return [tuple(Piece(text, place) for place, text in enumerate(texts)) for _, texts in joined]


def shuffled(made: Sequence[Life], chance: Random) -> list[tuple[int, Piece]]:
    """An interleaving: any, of those that keep each run's own order."""
    turns = [number for number, life in enumerate(made) for _ in life]
    chance.shuffle(turns)
    waiting = [iter(life) for life in made]
    return [(number, next(waiting[number])) for number in turns]


def said(file: Iterable[tuple[int, Piece]], view: View) -> tuple[dict[int, Said], set[tuple[str, str | None]]]:
    """What is said of each run, by its place in the run; and of which runs what speaks of two is said."""
    file = list(file)
    owners: list[tuple[int, int, int]] = []
    for number, piece in file:
        owners += [(number, piece.place, line) for line in range(piece.text.count(b"\n"))]
    name = "made.sse" if view == "stream" else "made.jsonl"
    found = check_bytes(b"".join(piece.text for _, piece in file), path=name).violations
    of_each: dict[int, Said] = {}
    for v in found:
        if v.code not in AS_SETS:
            number, place, line = owners[max(v.line, 1) - 1]
            said_of_it = (place, line, v.code, v.severity, v.run_id, v.field, repr(v.found), v.expected, v.message)
            of_each.setdefault(number, Counter())[said_of_it] += 1
    return of_each, {(v.code, v.run_id) for v in found if v.code in AS_SETS and v.run_id is not None}


@FEW
@pytest.mark.parametrize("bare", [False, True], ids=["envelopes", "bare"])
@given(mixtures(("history", "polled")), st.randoms(use_true_random=False))
def test_lines_of_runs_in_any_order(bare: bool, mixture: Mixture, chance: Random) -> None:
    """Lines of several runs, interleaved anyhow: of each run the same is said as when it stands alone."""
    held_apart(mixture, chance, bare=bare)


@FEW
@given(mixtures(("stream",)), st.randoms(use_true_random=False))
def test_streams_in_any_order(mixture: Mixture, chance: Random) -> None:
    """Streams of several runs in any order: of each run the same is said as when it stands alone."""
    held_apart(mixture, chance, bare=False)


def held_apart(mixture: Mixture, chance: Random, *, bare: bool) -> None:
    """Two interleavings say the same, and of each run the same as its lines alone."""
    view = mixture.view
    runs = lives(mixture.made, bare=bare)
    first, of_two = said(shuffled(runs, chance), view)
    assert said(shuffled(runs, chance), view) == (first, of_two)
    for number, life in enumerate(runs):
        alone, _ = said([(number, piece) for piece in life], view)
        assert alone == {n: found for n, found in first.items() if n == number}


@settings(max_examples=settings().max_examples // 30)
@given(st.data(), st.randoms(use_true_random=False))
def test_files_in_any_order(data: st.DataObject, chance: Random) -> None:
    """Files in any order, or their folder as a whole: of each file the same is said as of it alone."""
    drawn = data.draw(st.lists(mixtures(), min_size=2, max_size=3))
    with TemporaryDirectory() as folder:
        for number, mixture in enumerate(drawn):
            suffix = "sse" if mixture.view == "stream" else "jsonl"
            (Path(folder) / f"{number}.{suffix}").write_bytes(written(mixture.made).text)
        paths = sorted(str(path) for path in Path(folder).iterdir())
        alone = {path: found([path]) for path in paths}
        assert found([folder]) == [violation for path in paths for violation in alone[path]]
        chance.shuffle(paths)
        assert found(paths) == [violation for path in paths for violation in alone[path]]


def found(paths: Sequence[str]) -> list[Violation]:
    """What is said of files, in one go."""
    return list(check_paths(paths, Checker()))


def test_the_pieces_are_the_recordings() -> None:
    """The mixtures of these tests have faults: something is said of most, and every line belongs to a run."""
    made = Mixture("steady", "polled", 0).made
    runs = lives(made, bare=False)
    assert sum(len(life) for life in runs) == written(made).text.count(b"\n")
    of_each, _ = said(shuffled(runs, Random(1)), "polled")
    assert len(of_each) >= 3
    assert all(decode(piece.text)["data"] for life in runs[:1] for piece in life)
