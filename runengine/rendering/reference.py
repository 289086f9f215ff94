"""The reference page of the run object, from the tables: statuses, events, fields, presence, generations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runengine.core.events import EVENTS
from runengine.core.fields import FIELDS, OVERRIDES, WIRE_EXTRAS, describe
from runengine.core.generations import GENERATIONS
from runengine.core.guards import DEADLINE_FREE, ROW_GUARDS, TIME_GUARDS
from runengine.core.shape import ARRIVAL_STAMP, SHAPE
from runengine.core.statuses import STATUS_INFO, STATUSES
from runengine.core.words import RANGES, WORDS

__all__ = ["run_object_page"]

_SIGNS = {"must": "set", "may": "may be set", "never": "null"}


def run_object_page() -> str:
    """The page as Markdown.

    Example:
        >>> run_object_page().splitlines()[0]
        '# The run object'
    """
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield from ("# The run object", "", "Generated from the tables by `runengine explain --all docs/reference`.", "")
    yield from ("The transitions are in [the lifecycle table](../../diagrams/lifecycle-practical.md).", "")
    yield from ("## Statuses", "")
    for info in STATUS_INFO.values():
        yield f"**{info.name}**: {info.meaning} Moved on by {info.moved_by}; cleaned up by {info.cleaned_by}."
        yield ""
    yield from ("## Events", "")
    yield from _table(
        ("event", "what it says"), ((n, (kind.__doc__ or "").split("\n")[0]) for n, kind in EVENTS.items())
    )
    yield from ("", "## Guards", "")
    yield f"On every row: {', '.join(f'`{name}`' for name in TIME_GUARDS)}; the second "
    yield f"not on {', '.join(DEADLINE_FREE)}."
    yield ""
    yield from _table(("guard", "demands that"), ((g.name, g.meaning) for g in ROW_GUARDS.values()))
    yield from ("", "## Fields", "")
    yield from _table(("field", "what it holds"), ((name, describe(name)) for name in FIELDS))
    yield from ("", "Where recordings win over the published schema:", "")
    yield from _table(
        ("field", "what", "value", "evidence"),
        ((o.field, o.what, "" if o.value is None else str(o.value), o.evidence) for o in OVERRIDES),
    )
    yield from ("", "On the wire, and never in the schema:", "")
    yield from _table(("key", "seen"), WIRE_EXTRAS.items())
    yield from ("", "## What a record carries in each status", "")
    heads = ("status", *(row.field for row in SHAPE), "arrival writes")
    yield from _table(
        heads,
        ((s, *(_SIGNS[row.presence_in(s)] for row in SHAPE), ARRIVAL_STAMP.get(s, "")) for s in STATUSES),
    )
    yield from ("", "Evidence:", "")
    yield from (f"- `{row.field}`: {row.evidence}" for row in SHAPE)
    yield from ("", "## Words and ranges", "")
    yield from _table(
        ("place", "words", "open", "source"),
        ((w.path, ", ".join(x.text for x in w.words), "yes" if w.open else "", w.source) for w in WORDS.values()),
    )
    yield ""
    yield from _table(
        ("place", "least", "most", "source"),
        ((r.path, str(r.least), "" if r.most is None else str(r.most), r.source) for r in RANGES.values()),
    )
    yield from ("", "## Generations", "")
    yield from _table(
        ("generation", "published", "protocol", "what changed"),
        ((g.name, g.published, g.api, g.news) for g in GENERATIONS),
    )


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = tuple(heads)
    yield "| " + " | ".join(heads) + " |"
    yield "| " + " | ".join("---" for _ in heads) + " |"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
