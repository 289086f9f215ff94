"""Every format of every policy as a folder of files, with an index: what `runengine draw --all` writes and checks."""

from __future__ import annotations

from typing import Final

from runengine.core.table import POLICIES
from runengine.rendering.formats import FORMATS
from runengine.rendering.graph import graph_of

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
    drawn = {
        _file_name(name, kind): kind_of.render(graph)
        for name, graph in graphs.items()
        for kind, kind_of in FORMATS.items()
    }
    return {"README.md": _index({name: graph.tally for name, graph in graphs.items()}), **drawn}


def _file_name(policy: str, kind: str) -> str:
    return f"lifecycle-{policy}{FORMATS[kind].suffix}"


def _index(tallies: dict[str, str]) -> str:
    rows = (
        f"| {kind} | {' | '.join(f'[{policy}]({_file_name(policy, kind)})' for policy in tallies)} | {made.purpose} |"
        for kind, made in FORMATS.items()
    )
    pictures = (
        f"\n## {policy}\n\n{tally}.\n\n![{tally}]({_file_name(policy, 'svg')})\n" for policy, tally in tallies.items()
    )
    return "\n".join(
        (
            "# The lifecycle of a run, drawn",
            "",
            "Every file here is made from the transition table; do not edit one.",
            f"`{COMMAND} DIR` writes them, and with `--check` it tells which are stale, missing or surplus.",
            "",
            f"| format | {' | '.join(tallies)} | for |",
            f"|---|{'---|' * len(tallies)}---|",
            *rows,
            "",
            "How each SDK spells the fields: [the spelling table](spellings.md).",
            "".join(pictures),
        )
    )
