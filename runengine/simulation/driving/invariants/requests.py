"""What must hold of every request and the answer to it."""

from __future__ import annotations

from runengine.core import SECOND_US, TERMINAL
from runengine.embedding.plans import Act, Birth, Claim, Heartbeat, Release
from runengine.simulation.driving.asked import Asked, identity_of
from runengine.simulation.driving.book import Book

__all__ = ["fenced", "keyed", "kept_when_late", "made_once", "only_as_seen", "true_answer"]

_WORKERS = ("start", "require_action", "complete", "exhaust_tokens", "fail", "finish_cancel")
_KEPT = ("require_action", "submit_tool_outputs", "cancel", "finish_cancel", "complete", "exhaust_tokens", "fail")


def fenced(book: Book, asked: Asked) -> str | None:  # noqa: ARG001
    """A worker that has lost its run moves it no more, and neither does one without a token while another holds it.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK
        >>> fenced(BOOK, ASKED) is None
        True
    """
    request, answer, was = asked.request, asked.answer, asked.was
    if answer is None or was is None or not isinstance(request, Act | Heartbeat | Release):
        return None
    if answer.kind not in ("applied", "lost") or was.run.status in TERMINAL:
        return None
    event = request.event.name if isinstance(request, Act) else type(request).__name__.lower()
    did = f"{asked.who} did {event} to {asked.run_id} with fence {request.fence}"
    if request.fence is None:
        is_held = was.lease_until_us is not None and was.lease_until_us > answer.at_us
        return f"{did}, and {asked.holder} held it" if event in _WORKERS and is_held else None
    if request.fence != asked.fence:
        return f"{did}, and that of the last claim is {asked.fence}"
    return f"{did}, which had been given up" if asked.holder is None else None


def only_as_seen(book: Book, asked: Asked) -> str | None:  # noqa: ARG001
    """What was asked of a version is done to no other.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK
        >>> only_as_seen(BOOK, ASKED) is None
        True
    """
    request, answer, was = asked.request, asked.answer, asked.was
    if answer is None or was is None or not isinstance(request, Act) or request.expect is None:
        return None
    if answer.kind not in ("applied", "lost", "fenced") or request.expect == was.version:
        return None
    return f"{request.event.name} was asked of version {request.expect} of {asked.run_id}, and done to {was.version}"


def keyed(book: Book, asked: Asked) -> str | None:
    """The same request under the same key is done once, and answered the same; another under that key is refused.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK
        >>> keyed(BOOK, ASKED) is None
        True
    """
    request, answer = asked.request, asked.answer
    if answer is None or not isinstance(request, Act | Birth) or request.key is None:
        return None
    known = book.keys.get(request.key)
    if known is None:
        return f"nothing was known of key {request.key}, and it was replayed" if answer.kind == "replayed" else None
    event = "create" if isinstance(request, Birth) else request.event.name
    kind = "replayed" if known.run is not None else "waiting" if event == "create" else "withdrawn"
    kind = kind if known.identity == identity_of(request) else "guard"
    if answer.kind != kind or answer.run_id != known.run_id:
        return f"key {request.key} was kept for {known.run_id}, and now it was {answer.kind} for {answer.run_id}"
    if kind == "replayed" and answer.run != known.run:
        return f"key {request.key} was answered with another record than before"
    if asked.entries:
        return f"key {request.key} was known, and {asked.entries[0].name} was done again"
    return None


def made_once(book: Book, asked: Asked) -> str | None:
    """A create that is sent again makes no second run, by its key or, within the window, by its body.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK
        >>> made_once(BOOK, ASKED) is None
        True
    """
    request, answer = asked.request, asked.answer
    if answer is None or not isinstance(request, Birth) or not asked.entries or not request.retry:
        return None
    if request.key in book.forgotten or answer.kind not in ("applied", "waiting"):
        return None
    since_us = answer.at_us - round(book.settings.retry_window_s * SECOND_US)
    for run_id in book.made.get(str((request.create.metadata or {}).get("mark")), ()):
        life, queued = book.lives.get(run_id), book.waiting(run_id)
        is_one = life is not None and life.run is not None and run_id != answer.run_id
        made_us = life.run.created_at * SECOND_US if is_one and life is not None and life.run is not None else None
        if queued is not None and run_id != answer.run_id:
            made_us = queued.at_us
        if made_us is not None and (request.key is not None or made_us >= since_us):
            return f"{run_id} was made by this request, and now {answer.run_id} too"
    return None


def kept_when_late(book: Book, asked: Asked) -> str | None:
    """An outcome that comes too late is kept in the history, as long as there is room; never more than that.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK
        >>> kept_when_late(BOOK, ASKED) is None
        True
    """
    request, answer, room = asked.request, asked.answer, book.settings.losses_max
    lost = [entry for entry in asked.entries if entry.kind == "lost"]
    life = book.lives.get(asked.run_id)
    if life is not None and life.losses > room:
        return f"{asked.run_id}: its history keeps {life.losses} late outcomes, and there is room for {room}"
    if answer is None or not isinstance(request, Act) or asked.was is None:
        return None
    is_late = answer.kind == "lost" or (answer.kind == "fenced" and request.fence is not None)
    if not is_late or request.event.name not in _KEPT:
        return f"{asked.run_id}: {request.event.name} was {answer.kind}, and kept as late" if lost else None
    if asked.was.losses < room and [entry.name for entry in lost] != [request.event.name]:
        return f"{asked.run_id}: {request.event.name} came too late ({answer.kind}), and its history does not have it"
    return None


def true_answer(book: Book, asked: Asked) -> str | None:
    """An answer says what is so: what was applied is done, what was refused is refused for a reason and left no trace.

    Example:
        >>> from runengine.simulation.driving.invariants.examples import ASKED, BOOK
        >>> true_answer(BOOK, ASKED) is None
        True
    """
    answer = asked.answer
    if answer is None:
        return f"{asked.who} was answered nothing, and {asked.entries[0].name} was done" if asked.entries else None
    life = book.lives.get(answer.run_id)
    if answer.kind not in ("applied", "replayed", "waiting", "withdrawn", "lost", "fenced") and asked.entries:
        return f"{answer.run_id}: {answer.event} was {answer.kind}, and {asked.entries[0].name} was done"
    if answer.kind in ("applied", "lost") and (
        life is None or (answer.version, answer.status) != (life.seq, life.status)
    ):
        found = None if life is None else (life.seq, life.status)
        return f"{answer.run_id}: answered version {answer.version} as {answer.status}, and it is {found}"
    if answer.kind in ("waiting", "withdrawn") and asked.entries:
        waits = book.waiting(answer.run_id) is not None
        return None if waits == (answer.kind == "waiting") else f"{answer.run_id}: {answer.kind}, and it is not so"
    return _reason(book, asked)


def _reason(book: Book, asked: Asked) -> str | None:
    """Whether the answer is the one the book expects of what was there before."""
    request, answer, was = asked.request, asked.answer, asked.was
    assert answer is not None
    status = None if was is None else was.run.status
    event = answer.event
    now = book.lives.get(answer.run_id)
    is_act = isinstance(request, Act)
    is_so = True
    match answer.kind:
        case "applied" if is_act:
            is_so = (event, status) in book.cells and any(entry.name == event for entry in asked.entries)
        case "applied" if isinstance(request, Claim):
            is_so = answer.worker is None or now is None or (now.holder, now.fence) == (answer.worker, answer.fence)
        case "lost":
            is_so = now is not None and now.has_ended
        case "illegal":
            is_so = status not in TERMINAL and (event, status) not in book.cells
        case "guard" if is_act and request.key not in book.keys:
            is_so = (event, status) in book.cells
        case "stale":
            is_so = is_act and was is not None and request.expect != was.version
        case "fenced":
            is_so = status not in TERMINAL and (
                request.fence is None or request.fence != asked.fence or asked.holder is None
            )
        case "not_found":
            is_so = was is None and not (asked.waits and is_act and event == "cancel")
        case "exists":
            is_so = was is not None or asked.waits
        case "busy":
            is_so = asked.active is not None and answer.active == asked.active
        case _:
            pass
    return None if is_so else f"{asked.run_id}: {event} was {answer.kind}, and it was {status or 'not there'}"
