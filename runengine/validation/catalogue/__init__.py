"""The catalogue: every rule's text and examples, in the order of codes."""

from __future__ import annotations

from typing import Final

from runengine.validation.catalogue.across import ACROSS_RULES
from runengine.validation.catalogue.path import PATH_RULES
from runengine.validation.catalogue.payload import PAYLOAD_RULES
from runengine.validation.catalogue.rule import Rule
from runengine.validation.catalogue.stamps import STAMP_RULES
from runengine.validation.catalogue.trace import TRACE_RULES

__all__ = ["RULES", "Rule"]

RULES: Final[dict[str, Rule]] = {
    rule.code: rule
    for rule in sorted((*PATH_RULES, *STAMP_RULES, *PAYLOAD_RULES, *TRACE_RULES, *ACROSS_RULES), key=lambda r: r.code)
}
"""Code to rule."""
