"""The door to the engines: which of them checks a recording, from where, and what is remembered of it afterwards.

All of them say the same, in the same order. `stream` is the checker alone: it reads anything, one line after another.
`bulk` reads columns first and lets the checker look only where these cannot prove that nothing is wrong; it needs the
extra `bulk`, and takes plain JSON Lines, Parquet and Arrow. `auto` takes bulk where a file is large enough to repay it.
Source: DESIGN §5 (Volume).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from attrs import define, evolve, field

from runengine.dialects.kotlin_sql import is_database_url, masked
from runengine.errors import MissingExtra, RunEngineError, TraceUnreadable
from runengine.validation.checker import Checker
from runengine.validation.findings import Violation
from runengine.validation.observations import Item
from runengine.validation.profiling.profile import Profile
from runengine.validation.readers.growing import Growing, Mark, mark_of
from runengine.validation.readers.inputs import STANDARD_INPUT, Watched, form_of, items_in
from runengine.validation.standing import JOINED_SCOPE, Ids, Scope, Standing
from runengine.validation.summary import Options

if TYPE_CHECKING:
    from runengine.validation.bulk.pools import Pool

__all__ = ["BULK_FROM_BYTES", "ENGINES", "Engines", "Passes", "half_of_memory"]

ENGINES: Final = ("auto", "stream", "bulk")
"""What `--engine` takes of what runs here."""

BULK_FROM_BYTES: Final = {"json-lines": 8 * 1024 * 1024, "parquet": 4 * 1024 * 1024, "arrow": 8 * 1024 * 1024}
"""From which size on `auto` takes the bulk engine: below, starting it costs more than it saves."""

_SKIMMED: Final = 16
"""So many times the size are JSON Lines of bare records, which the checker alone skims nearly as quickly."""

_FIRST_BYTES: Final = 512

_GROWS: Final = "json-lines"
_AUTO, _STREAM, _BULK = ENGINES

Passes = Callable[[str, str, int], AbstractContextManager[Callable[[int], None]]]
"""What is done, a path, and how many bytes there are, to somebody who is told how many are done."""

Unread = Callable[[str, Exception], None]
"""Takes a path and why it could not be read, or not to its end."""


@define(kw_only=True)
class Engines:
    """Checks recordings, each by the engine that suits it.

    Attributes:
        checker: What says the findings, and counts.
        reader: Name of a reader, or `auto`.
        engine: One of ENGINES.
        watched: A path and its open file to the same file, with a bar.
        passes: Makes a bar for each pass of the bulk engine.
        unread: Takes what cannot be read.
        say: Takes what the user should know of the choice.
        memory_max: How many bytes the bulk engine may hold; half of the machine's where None.
        workers: How many pieces are read at a time; one for each core where None.
        standing: Where checks stood, or None: then every recording is checked from its beginning.
        profile: Looks on as the checker's only watch, or None; the bulk engine makes most of it of columns.
        passed_over: How many recordings had nothing new.

    Example:
        >>> said = []
        >>> engines = Engines(checker=Checker(), unread=lambda path, error: said.append(str(error)))
        >>> list(engines.check(["/nowhere"])), said
        ([], ['/nowhere: No such file or directory'])
    """

    checker: Checker
    unread: Unread
    reader: str = "auto"
    engine: str = "auto"
    watched: Callable[[str, BinaryIO], AbstractContextManager[BinaryIO]] | None = None
    passes: Passes | None = None
    say: Callable[[str], None] = field(default=lambda _text: None)
    memory_max: int | None = None
    workers: int | None = None
    standing: Standing | None = None
    profile: Profile | None = None
    passed_over: int = field(default=0, init=False)
    _pool: Pool | None = field(default=None, init=False)

    def check(self, paths: Iterable[str]) -> Iterator[Violation]:
        """Check recordings.

        Args:
            paths: As `expand` gives them.

        Raises:
            TraceUnreadable: joined recordings are not those that were checked before, or stand in another order.
            MissingExtra: the bulk engine is asked for, and its libraries are not installed.
        """
        if self.engine == _BULK and not _has_bulk():
            raise MissingExtra("the bulk engine", "bulk")
        try:
            if self.standing is None:
                for path in paths:
                    yield from self._by_engine(path)
            elif self.checker.options.join:
                yield from self._joined(self.standing, list(paths))
            else:
                for path in paths:
                    try:
                        _refuse_endless(path)
                        yield from self._from_where_it_stood(self.standing, path)
                    except (RunEngineError, OSError) as error:
                        self.unread(path, error)
        finally:
            if self._pool is not None:
                self._pool.close()

    def _by_engine(self, path: str) -> Iterator[Violation]:
        """Check a whole recording."""
        two = self._two_passes(path)
        if two is not None:
            yield from two
        else:
            items = items_in(path, reader=self.reader, skim=self.checker.skim, watched=self._watch(path))
            yield from self.checker.check(masked(path), self._as_far_as_read(items, path))

    def _from_where_it_stood(self, standing: Standing, path: str) -> Iterator[Violation]:
        """Check what a recording has got since it was checked last."""
        key = os.path.abspath(path)  # noqa: PTH100 - of text
        scope = standing.scope(key)
        before = scope.marks[0] if scope.marks else None
        _refuse_changed(path, before, standing.file)
        if before is not None and not before.grows:
            self.passed_over += 1
            standing.keep(key, scope, self.checker)
            return
        unread = self.checker.summary.unread
        if before is None and form_of(path, self.reader) != _GROWS:
            mark = mark_of(path, masked(path), grows=False)
            yield from self._by_engine(path)
            if self.checker.summary.unread == unread:
                standing.keep(key, Scope(marks=(mark,)), self.checker)
            return
        growing = Growing(path, before)
        self.checker.begin()
        standing.recall(key, self.checker)
        self.checker.told = list(scope.told)
        self.passed_over += growing.start == growing.stop
        two = self._two_passes(path, growing, standing.ids(key) if growing.start else Ids())
        if two is not None:
            yield from two
        else:
            items = growing.items(self.checker.skim, self._watch(path))
            yield from self.checker.go_on(masked(path), self._as_far_as_read(items, path), ends=False)
        if self.checker.summary.unread == unread:
            mark = growing.mark(masked(path))
            told = tuple(self.checker.told)
            standing.keep(key, Scope(marks=(mark,), ended=False, told=told), self.checker)

    def _joined(self, standing: Standing, paths: Sequence[str]) -> Iterator[Violation]:
        """Check what joined recordings have got, and those that are new."""
        scope = standing.scope(JOINED_SCOPE)
        marks, ended = list(scope.marks), scope.ended
        here = {mark.path: place for place, mark in enumerate(marks)}
        given = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - of text
        for path in paths:
            _refuse_endless(path)
        _refuse_other_order(paths, given, here, standing.file)
        names = {marks[here[key]].name: masked(path) for path, key in zip(paths, given, strict=True) if key in here}
        self.checker.begin()
        standing.recall(JOINED_SCOPE, self.checker, names)
        self.checker.told = list(scope.told)
        for path, key in zip(paths, given, strict=True):
            last = key == given[-1]
            place = here.get(key)
            if place is not None:
                mark = marks[place]
                _refuse_changed(path, mark, standing.file)
                if place < len(marks) - 1 or ended:
                    _refuse_grown(path, mark, standing.file)
                    self.passed_over += 1
                else:
                    marks[place] = yield from self._more(path, mark, last)
                    ended = not last
                continue
            if not ended:
                marks[-1] = yield from self._more(marks[-1].path, marks[-1], False)
            mark = yield from self._more(path, None, last)
            marks.append(mark)
            ended = not (mark.grows and last)
        standing.broken = bool(self.checker.summary.unread)
        standing.keep(JOINED_SCOPE, Scope(marks=tuple(marks), ended=ended, told=tuple(self.checker.told)), self.checker)

    def _more(self, path: str, before: Mark | None, last: bool) -> Generator[Violation, None, Mark]:
        """Check what one of joined recordings has got; the last of them may grow."""
        name = masked(path)
        if before is None and form_of(path, self.reader) != _GROWS:
            mark = mark_of(path, name, grows=False)
            items = items_in(path, reader=self.reader, watched=self._watch(path))
            yield from self.checker.go_on(name, self._as_far_as_read(items, path))
            return mark
        growing = Growing(path, before, whole=not last)
        self.passed_over += before is not None and growing.start == growing.stop
        items = growing.items(None, self._watch(path))
        yield from self.checker.go_on(name, self._as_far_as_read(items, path), ends=not last)
        return growing.mark(name)

    def _two_passes(
        self, path: str, growing: Growing | None = None, ids: Ids | None = None
    ) -> Iterator[Violation] | None:
        """What the bulk engine says of a recording, or of what it has got; None where the checker alone is to read it.

        Args:
            path: The recording.
            growing: What it has got, where the checker goes on from where it stood.
            ids: Of whom the checker remembers something.
        """
        why = self._not_bulk(path, growing)
        if why is None:
            try:
                source = _source(path, self.checker.options, self.reader, self.profile is not None)
            except (RunEngineError, OSError):
                return None  # the reader says it in its own words
            if not isinstance(source, str):
                return self._sieved(path, source, growing, ids)
            why = source
        if self.engine == _BULK and why:
            self.say(f"{masked(path)}: checked line by line, not in bulk: {why}")
        return None

    def _not_bulk(self, path: str, growing: Growing | None) -> str | None:
        """Why a recording is not for the bulk engine, in a few words or none; None where it may be."""
        if self.engine == _STREAM or (growing is not None and growing.start == growing.stop):
            return ""
        if self.checker.options.join:
            return "recordings are joined"
        if self.checker.skim is None and (self.profile is None or growing is not None):
            return "something else looks on (a report that shows lives, or a profile of what is new)"
        try:
            form = form_of(path, self.reader)
        except (RunEngineError, OSError):
            return ""
        if form not in BULK_FROM_BYTES:
            return "it is no plain file of JSON Lines, Parquet or Arrow"
        size = Path(path).stat().st_size if growing is None else growing.stop - growing.start
        least = BULK_FROM_BYTES[form] * (_SKIMMED if form == _GROWS and _is_bare(path) else 1)
        if self.engine == _AUTO and (size < least or not _has_bulk()):
            return ""
        return None

    def _sieved(self, path: str, source: Any, growing: Growing | None, ids: Ids | None) -> Iterator[Violation] | None:
        from runengine.validation.bulk import engine
        from runengine.validation.bulk.compiled import Compiled

        if growing is not None:
            source = evolve(source, begin=growing.start, line=growing.tally.lines + 1, end=growing.stop)
        pool = self._begun_pool()
        size = source.bytes
        passes = self.passes
        bar = None if passes is None else lambda what: passes(what, path, size)
        try:
            sifted = engine.sift(
                source,
                Compiled.of(self.checker.options),
                pool,
                bar=bar,
                memory_max=self.memory_max or half_of_memory(),
                mostly=engine.MOSTLY if self.engine == _AUTO else 1.0,
                also=None if ids is None else engine.keys_of(ids.runs, ids.threads),
                remembered=growing is not None,
            )
        except Exception as error:  # noqa: BLE001 - nothing is said yet, and the checker alone may do better
            known = isinstance(error, (RunEngineError, OSError))
            why = str(error) if known else f"{type(error).__name__}: {error}"
            self.say(f"{masked(path)}: checked line by line, not in bulk: {why}")
            return None
        if sifted is None:
            return None
        if growing is not None and source.pieces:
            growing.passed(source.pieces[-1].line, source.pieces[-1].begin)
        return engine.checked(
            self.checker,
            masked(path),
            source,
            sifted,
            pool,
            bar=bar,
            as_far_as_read=partial(self._as_far_as_read, path=path),
            goes_on=growing is not None,
            profile=self.profile,
        )

    def _begun_pool(self) -> Pool:
        if self._pool is None:
            from runengine.validation.bulk.pools import Pool

            self._pool = Pool(self.workers)
        return self._pool

    def _watch(self, path: str) -> Watched:
        return nullcontext if self.watched is None else partial(self.watched, path)

    def _as_far_as_read(self, items: Iterator[Item], path: str) -> Iterator[Item]:
        """Items up to where reading fails: what was read is checked to the end."""
        try:
            yield from items
        except (RunEngineError, OSError) as error:
            self.unread(path, error)


def half_of_memory() -> int:
    """Half of the memory of the machine, or of what this process may have of it; 1 GiB where that is not known.

    Example:
        >>> half_of_memory() > 0
        True
    """
    sizes: list[int] = []
    with suppress(AttributeError, OSError, ValueError):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return min(sizes, default=2 << 30) // 2


def _is_bare(path: str) -> bool:
    """Whether the first line looks like a record without an envelope."""
    with Path(path).open("rb") as file:
        return b'"data":' not in file.read(_FIRST_BYTES).partition(b"\n")[0]


def _has_bulk() -> bool:
    return all(find_spec(library) is not None for library in ("numpy", "pyarrow"))


def _source(path: str, options: Options, reader: str, detailed: bool) -> Any:
    """A recording as a source, with what a profile asks for if it is wanted; or why it is none."""
    form = form_of(path, reader)
    if form == _GROWS:
        from runengine.validation.bulk import ndjson

        return ndjson.sievable(path, options, reader)
    from runengine.validation.bulk import arrow_files, parquet

    return (parquet if form == "parquet" else arrow_files).sievable(path, options, detailed=detailed)


def _refuse_endless(path: str) -> None:
    if path == STANDARD_INPUT or is_database_url(path):
        problem = "--state says how far a file was checked, and this is none; leave one of them out"
        raise TraceUnreadable(masked(path), 0, 0, problem)


def _refuse_changed(path: str, mark: Mark | None, state: str) -> None:
    problem = None if mark is None else mark.problem()
    if problem is not None:
        raise TraceUnreadable(masked(path), 0, 0, f"{problem}; {_anew(state)}")


def _refuse_grown(path: str, mark: Mark, state: str) -> None:
    if Path(path).stat().st_size > mark.bytes:
        problem = "it has grown since it was checked, and others were checked after it"
        raise TraceUnreadable(masked(path), 0, 0, f"{problem}; {_anew(state)}")


def _refuse_other_order(paths: Sequence[str], given: Sequence[str], here: dict[str, int], state: str) -> None:
    """Those that were checked before come first, in the order in which they were."""
    places = [here.get(key, len(here)) for key in given]
    for path, place, least in zip(paths[1:], places[1:], accumulate(places, max), strict=False):
        if place < least:
            problem = "it was checked before, and stands now behind one that was checked after it, or is new"
            raise TraceUnreadable(masked(path), 0, 0, f"{problem}: give them in that order, or {_anew(state)}")


def _anew(state: str) -> str:
    return f"delete {state}, or give another --state FILE, to check from the beginning"
