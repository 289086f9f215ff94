"""Every format of every policy and small lifecycle as a folder with an index: what `runengine draw --all` writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from runengine.core.companions import LIFECYCLES
from runengine.core.table import POLICIES
from runengine.rendering.formats import FORMATS
from runengine.rendering.graph import graph_of, graph_of_lifecycle

__all__ = ["COMMAND", "gallery"]

COMMAND: Final = "runengine draw --all"
"""What makes the folder; its index tells the reader."""


def gallery() -> dict[str, str]:
    """File name to text, for every file of the folder.

    Example:
        >>> list(gallery())[:3]
        ['README.md', 'lifecycle-documented.mmd', 'lifecycle-documented.dot']
    """
    graphs = {name: graph_of(policy) for name, policy in POLICIES.items()}
    beside = {name: graph_of_lifecycle(lifecycle) for name, lifecycle in LIFECYCLES.items()}
    drawn = {
        _file_name(name, kind): kind_of.render(graph)
        for name, graph in (*graphs.items(), *beside.items())
        for kind, kind_of in FORMATS.items()
    }
    tallies, others = ({name: graph.tally for name, graph in some.items()} for some in (graphs, beside))
    return {"README.md": _index(tallies, others), **drawn}


def _file_name(name: str, kind: str) -> str:
    return f"{'lifecycle-' * (name in POLICIES)}{name}{FORMATS[kind].suffix}"


def _index(tallies: dict[str, str], others: dict[str, str]) -> str:
    pictures = (
        f"\n## {name}\n\n{tally}.\n\n![{tally}]({_file_name(name, 'svg')})\n"
        for name, tally in (*tallies.items(), *others.items())
    )
    return "\n".join(
        (
            "# The lifecycle of a run, drawn",
            "",
            "Every file here is made from the transition table; do not edit one.",
            f"`{COMMAND} DIR` writes them, and with `--check` it tells which are stale, missing or surplus.",
            "",
            *_table(tallies),
            "",
            "The objects around a run have small lifecycles of their own: a step, a message, a tool call, a thread.",
            "",
            *_table(others),
            "",
            "How each SDK spells the fields: [the spelling table](spellings.md).",
            "".join(pictures),
        )
    )


def _table(names: Iterable[str]) -> Iterator[str]:
    names = tuple(names)
    yield f"| format | {' | '.join(names)} | for |"
    yield f"|---|{'---|' * len(names)}---|"
    for kind, made in FORMATS.items():
        yield f"| {kind} | {' | '.join(f'[{name}]({_file_name(name, kind)})' for name in names)} | {made.purpose} |"
