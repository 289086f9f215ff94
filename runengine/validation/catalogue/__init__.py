"""The catalogue: every rule's text and examples, in the order of codes."""

from __future__ import annotations

from typing import Final

from runengine.validation.catalogue.across import ACROSS_RULES
from runengine.validation.catalogue.path import PATH_RULES
from runengine.validation.catalogue.payload import PAYLOAD_RULES
from runengine.validation.catalogue.rule import Rule
from runengine.validation.catalogue.stamps import STAMP_RULES
from runengine.validation.catalogue.trace import TRACE_RULES

__all__ = ["RULES", "Rule", "families"]

RULES: Final[dict[str, Rule]] = {
    rule.code: rule
    for rule in sorted((*PATH_RULES, *STAMP_RULES, *PAYLOAD_RULES, *TRACE_RULES, *ACROSS_RULES), key=lambda r: r.code)
}
"""Code to rule."""


def families() -> str:
    """The codes there are, by family, for whoever gave one that there is not.

    Example:
        >>> families().split(", ")[0]
        'RE101 to RE107'
    """
    by_hundred: dict[str, list[str]] = {}
    for code in RULES:
        by_hundred.setdefault(code[:3], []).append(code)
    return ", ".join(codes[0] if len(codes) == 1 else f"{codes[0]} to {codes[-1]}" for codes in by_hundred.values())
