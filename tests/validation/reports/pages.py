"""Pages made in memory, and what stands in them: for the tests of the HTML report, with and without a browser."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html.parser import HTMLParser
from typing import Any, NamedTuple

from runengine.validation import Checker, Options, Summary, Violation
from runengine.validation.catalogue.examples import CREATED, record
from runengine.validation.observations import Item, Observation, Unreadable
from runengine.validation.reports.html import HtmlReport

__all__ = ["EVIL", "Made", "Page", "data_in", "life_of", "many", "page_of", "parsed", "pins_in"]

EVIL = (
    "</script><script>window.hacked=1</script>",
    '"><img src=x onerror="window.hacked=1">',
    "<svg onload=window.hacked=1>",
    "'-window.hacked-'",
    "javascript:window.hacked=1",
    "<!--<script>",
    "]]>&lt;b&gt;&amp;",
    "\u2028\u2029window.hacked=1",
    "\u202eabc\u2066\x00\x1b[31m\r\n\t",
    "{{data}}{{js}}",
    "\ud800",
)
"""What a recording may hold to break out of a page."""

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Made(NamedTuple):
    """A page, and what went into it.

    Attributes:
        html: The page.
        violations: In the order they were found.
        summary: The counts.
    """

    html: str
    violations: list[Violation]
    summary: Summary


class Page(HTMLParser):
    """A page read by the rules of HTML: its elements, attributes and texts; fails where an end has no beginning."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, int]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[int, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of SVG begins and ends."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        assert self.open, f"</{tag}> ends nothing"
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        """Text of the innermost element."""
        if self.open:
            number = self.open[-1][1]
            self.texts[number] = self.texts.get(number, "") + data

    def texts_of(self, tag: str, **attributes: str) -> list[str]:
        """The texts of the elements of a kind."""
        return [
            self.texts.get(n, "")
            for n, (name, given) in enumerate(self.elements)
            if name == tag and all(given.get(key) == value for key, value in attributes.items())
        ]


def parsed(html: str) -> Page:
    """The page, every element of which ends."""
    page = Page()
    page.feed(html)
    page.close()
    assert not page.open
    return page


def data_in(html: str) -> dict[str, Any]:
    """The data of a page."""
    (text,) = parsed(html).texts_of("script", id="data")
    data: dict[str, Any] = json.loads(text)
    return data


def pins_in(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every finding that is written out in the data, as a violation's fields."""
    texts = [*data["texts"], None]  # -1 stands for None
    for run in data["runs"]:
        for rule, severity, line, _, _, field, found, expected, message, hint in run[15]:
            yield {
                "code": data["rules"][rule],
                "severity": ("error", "warning", "info")[severity],
                "run_id": None if run[0] < 0 else texts[run[0]],
                "path": data["files"][run[2]],
                "line": line,
                "field": texts[field],
                "found": None if found < 0 else json.loads(texts[found]),
                "expected": texts[expected],
                "message": texts[message],
                "hint": texts[hint],
            }


def page_of(recordings: Mapping[str, Sequence[Item | dict[str, Any]]], **changes: Any) -> Made:
    """Check recordings and make a page of them.

    Args:
        recordings: Name to items; a plain dict is a snapshot, its place the line.
        changes: `runs_max` and `made_at` of the report, else of `Options`.
    """
    own = {name: changes.pop(name) for name in ("runs_max", "made_at") if name in changes}
    report = HtmlReport(out := io.StringIO(), Options(**changes), **own)
    checker = Checker(Options(**changes), (report.watch,))
    found = []
    for path, items in recordings.items():
        placed = [item if not isinstance(item, dict) else Observation(item, n) for n, item in enumerate(items, 1)]
        for violation in checker.check(path, placed):
            report.add(violation)
            found.append(violation)
    report.close(checker.summary)
    return Made(out.getvalue(), found, checker.summary)


@cache
def _plain_record(status: str) -> dict[str, Any]:
    return record(status)


def life_of(run_id: str, statuses: Sequence[str] = ("queued", "in_progress", "completed"), **changes: Any) -> list[Any]:
    """Snapshots of one run, one every three seconds, with their times."""
    made = []
    for number, status in enumerate(statuses):
        snapshot = {**_plain_record(status), "id": run_id}
        made.append((snapshot if status == "queued" else {**snapshot, **changes}, CREATED + 3.0 * number))
    return made


def many(count: int, broken_each: int = 50) -> dict[str, list[Item | dict[str, Any]]]:
    """A recording of many runs, some of them with an error, a warning or a remark, and a line nobody can read."""
    items: list[Item | dict[str, Any]] = []
    for number in range(count):
        thread = f"thread_{number:05}"
        kind = number % broken_each
        end = "completed" if kind == 1 else ("completed", "failed", "incomplete", "cancelled")[number % 4]
        middle = ("queued", "in_progress", "cancelling") if end == "cancelled" else ("queued", "in_progress")
        changes: dict[str, Any] = {"failed_at": CREATED + 3} if kind == 1 else {}
        changes |= {"colour": "red"} if kind == 2 else {"metadata": {"a": "b" * 600}} if kind == 3 else {}
        for snapshot, at_s in life_of(f"run_{number:05}", (*middle, end), thread_id=thread, **changes):
            snapshot["thread_id"] = thread
            items.append(Observation(snapshot, len(items) + 1, observed_s=at_s))
    items.append(Unreadable(line=len(items) + 1, problem="not JSON", found="{"))
    return {"many.jsonl": items}
