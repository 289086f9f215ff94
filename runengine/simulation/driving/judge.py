"""The judge of a simulated world: holds what a store did to the book, and every invariant to both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from runengine.embedding.plans import Birth
from runengine.errors import RunEngineError
from runengine.simulation.driving.asked import Asked, Watched
from runengine.simulation.driving.book import Book
from runengine.simulation.driving.invariants.ends import Reader
from runengine.simulation.driving.invariants.stores import Shown
from runengine.simulation.driving.invariants.table import INVARIANTS, Broken, Moment
from runengine.stores import Entry, Store

__all__ = ["Judge"]


def _of(moment: Moment) -> tuple[Any, ...]:
    return tuple((one.name, one.check) for one in INVARIANTS.values() if one.moment == moment)


_ENTRY: Final = _of("entry")
_ROW: Final = _of("row")
_REQUEST: Final = _of("request")
_FINE: Final = ("applied", "replayed", "waiting", "withdrawn")


class Judge:
    """Asserts the invariants.

    Args:
        book: What is true.

    Attributes:
        book: The same.
        moments: How often each moment came, at which its invariants were asserted.
        refusals: Answers that refuse, by event.
        broken: The first invariant that did not hold, whoever has caught that meanwhile.

    Example:
        >>> from runengine.core import PRACTICAL
        >>> from runengine.embedding import Settings
        >>> judge = Judge(Book(PRACTICAL, Settings()))
        >>> judge.shown("head", (), 3)
        Traceback (most recent call last):
        runengine.simulation.driving.invariants.table.Broken: shows-what-is: head() shows 3, and there is 0
    """

    def __init__(self, book: Book) -> None:
        self.book: Final = book
        self.moments: Counter[str] = Counter()
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.broken: Broken | None = None

    def committed(self, who: str, watched: Sequence[Watched], store: Store) -> list[Asked]:
        """Hold what was just committed to the book, and write it down.

        Raises:
            Broken: an invariant does not hold.
        """
        book = self.book
        done = [one for one in watched if one.outcome is not None]
        wanted = [
            step.entry
            for one in done
            if one.outcome is not None and one.outcome.commit is not None
            for step in one.outcome.commit.steps
            if step.entry is not None
        ]
        found = store.feed(book.head)
        self._assert("committed", book, wanted, found)
        asked: list[Asked] = []
        place = 0
        for one in done:
            assert one.outcome is not None
            request = Asked(who, one.request, one.outcome.answer)
            request.is_early, request.was_stale = one.is_early, one.was_stale
            steps = () if one.outcome.commit is None else one.outcome.commit.steps
            size = sum(step.entry is not None for step in steps)
            request.entries = tuple(found[place : place + size])
            place += size
            self._judge(request)
            asked.append(request)
        touched = {
            step.after.run.id: None
            for one in done
            if one.outcome is not None and one.outcome.commit is not None
            for step in one.outcome.commit.steps
        }
        for run_id in touched:
            self._see(run_id, store)
        for request in asked[-1:]:  # of those before it the rows may have changed since
            self._see_answer(request)
        return asked

    def heard(self, asked: Sequence[Asked]) -> None:
        """A process was told this: it must stay so."""
        for one in asked:
            answer = one.answer
            if answer is not None and answer.kind in _FINE and answer.version is not None and one.life is not None:
                self.book.heard.append((one.life, answer.version, answer.event))
            if answer is not None and answer.kind == "waiting":
                self.book.waited.append(answer.run_id)

    def shown(self, what: str, asked: tuple[Any, ...], found: Any) -> None:
        """Hold what a store shows to the book.

        Raises:
            Broken: it is something else.
        """
        self._assert("shows-what-is", self.book, Shown(what, asked, found))

    def kept(self, store: Store) -> None:
        """Hold all that a store has to the book.

        Raises:
            Broken: something is gone, or is different.
        """
        book = self.book
        self._assert("stays-told", book, {run_id: store.history(run_id) for run_id in book.lives})
        self.shown("feed", (0, len(book.feed) + 1), store.feed(0, len(book.feed) + 1))
        for run_id in book.lives:
            self.shown("row", (run_id,), store.row(run_id))
        for thread_id in book.queue:
            self.shown("waiting", (thread_id, 1000), tuple(one.run_id for one in store.waiting(thread_id)))
        self.shown("next_deadline", (), store.next_deadline())

    def cut(self, before_us: int, count: int, store: Store) -> None:
        """Hold what retention has cut to the book.

        Raises:
            Broken: it has cut something else.
        """
        lives = [life for life in self.book.ended(before_us) if len(life.entries) > 1]
        self.shown("compacted", (len(lives),), count)
        for life in lives:
            found = store.history(life.run_id)
            is_cut = len(found) == 1 and (found[0].kind, found[0].seq) == ("snapshot", life.seq)
            self.shown("compacted", (is_cut,), True)
            self.book.cut(life, found[0])

    def forgotten(self, before_us: int, count: int) -> None:
        """Hold what retention has removed to the book.

        Raises:
            Broken: it has removed something else.
        """
        self.shown("forgotten", (self.book.forget(before_us),), count)

    def ended(self, readers: Sequence[Reader]) -> None:
        """Hold the end of a world to what must be so then.

        Raises:
            Broken: it is not.
        """
        for name in ("nothing-stuck", "born-or-withdrawn", "checked"):
            self._assert(name, self.book)
        for reader in readers:
            self._assert("all-read", self.book, reader)

    def undeclared(self, error: Exception) -> Broken:
        """The runtime or the store has raised something else than that the store is unavailable."""
        return self._broken("declared", _raised(error))

    def _broken(self, name: str, detail: str) -> Broken:
        self.broken = self.broken or Broken(name, detail)
        return self.broken

    def _assert(self, name: str, *what: Any) -> None:
        self.moments[name] += 1
        problem = INVARIANTS[name].check(*what)
        if problem is not None:
            raise self._broken(name, problem)

    def _judge(self, asked: Asked) -> None:
        book = self.book
        book.note(asked)
        for entry in asked.entries:
            self._take(entry, asked)
        self.moments["request"] += 1
        for name, check in _REQUEST:
            problem = check(book, asked)
            if problem is not None:
                raise self._broken(name, problem)
        book.conclude(asked)
        answer = asked.answer
        asked.life = None if answer is None else book.lives.get(answer.run_id)
        if answer is not None and answer.kind not in ("applied", "waiting"):
            event = "create" if isinstance(asked.request, Birth) else answer.event
            self.refusals[answer.kind, event] += 1

    def _take(self, entry: Entry, asked: Asked) -> None:
        book = self.book
        life = book.lives.get(entry.run_id)
        self.moments["entry"] += 1
        for name, check in _ENTRY:
            problem = check(book, life, entry, asked)
            if problem is not None:
                raise self._broken(name, problem)
        try:
            book.take(entry, asked)
        except RunEngineError as error:
            raise self._broken("folded", f"{entry.run_id}: entry {entry.seq}, {entry.name}: {error}") from None

    def _see(self, run_id: str, store: Store) -> None:
        book = self.book
        life, row = book.lives.get(run_id), store.row(run_id)
        if life is None or row is None:
            there = "has a history, and no row" if row is None else "has a row, and no history"
            raise self._broken("folded", f"{run_id}: it {there}")
        self.moments["row"] += 1
        for name, check in _ROW:
            problem = check(book, life, row)
            if problem is not None:
                raise self._broken(name, problem)
        life.row = row

    def _see_answer(self, asked: Asked) -> None:
        """An answer shows the record that is kept."""
        answer = asked.answer
        if answer is None or answer.kind == "replayed" or answer.run is None:
            return
        life = self.book.lives.get(answer.run_id)
        if life is None or life.row is None or answer.run != life.row.run:
            raise self._broken(
                "true-answer", f"{answer.run_id}: {answer.event} shows a record that is not the one kept"
            )


def _raised(error: Exception) -> str:
    """An error, and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" in {trace.tb_frame.f_globals.get('__name__')}.{trace.tb_frame.f_code.co_name}"
    return f"{type(error).__name__}{where}: {error}"
