"""The corpus: for every rule a recording that breaks only it, and one that nearly does: `python -m tests.corpus`.

The files are written from the examples of the catalogue, which stays the one place where they are made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from runengine.validation.catalogue import RULES
from runengine.validation.catalogue.examples import Example

__all__ = ["FOLDER", "Kind", "contents", "differences", "names_of", "recordings_of"]

FOLDER: Final = Path(__file__).parent

Kind = Literal["breaks", "nearly"]
"""Breaks the rule, or nearly does and is clean."""

_SUFFIXES: Final = (".jsonl", ".sse")


def _example(code: str, kind: Kind) -> Example:
    return RULES[code].breaks if kind == "breaks" else RULES[code].keeps


def names_of(code: str, kind: Kind) -> tuple[str, ...]:
    """The files of one example, in the order in which they are checked: several where recordings are joined.

    Args:
        code: The rule.
        kind: Which of its two examples.
    """
    example = _example(code, kind)
    if not example.joined:
        return (f"{code}.{kind}{example.suffix}",)
    return tuple(f"{code}.{kind}.{number}{example.suffix}" for number in range(1, 2 + len(example.joined)))


def recordings_of(code: str, kind: Kind) -> tuple[Path, ...]:
    """The same as paths."""
    return tuple(FOLDER / name for name in names_of(code, kind))


def contents() -> dict[str, bytes]:
    """What every file of the corpus has to hold, by name."""
    made: dict[str, bytes] = {}
    kinds: tuple[Kind, ...] = ("breaks", "nearly")
    for code in RULES:
        for kind in kinds:
            example = _example(code, kind)
            texts = (example.text, *example.joined)
            made.update(zip(names_of(code, kind), (text.encode() for text in texts), strict=True))
    return made


def differences(folder: Path = FOLDER) -> list[str]:
    """What is not as the catalogue has it: files that are missing, other, or too many.

    Args:
        folder: Where they stand.
    """
    wanted = contents()
    there = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in _SUFFIXES}
    said = [f"{name}: missing" for name in wanted if name not in there]
    said += [f"{name}: not as the catalogue has it" for name in wanted if name in there and there[name] != wanted[name]]
    return sorted(said + [f"{name}: of no rule" for name in there if name not in wanted])
