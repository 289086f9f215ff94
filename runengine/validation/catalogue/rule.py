"""What the catalogue says of a rule."""

from __future__ import annotations

from attrs import frozen

from runengine.validation.catalogue.examples import Example
from runengine.validation.findings import Severity

__all__ = ["Rule"]


@frozen(kw_only=True)
class Rule:
    """One rule's text; `runengine explain CODE` and the reference page print it.

    Attributes:
        code: `RE101` and so on; never changes meaning.
        name: A few words.
        severity: What a breach is, unless `milder` says otherwise.
        says: The rule.
        why: What goes wrong for those who break it.
        source: Where it comes from.
        hint: What to look at when it is broken, or None.
        milder: When a breach is only a warning, or None.
        breaks: A recording that breaks this rule and no other.
        keeps: One that nearly does, and is clean.

    Example:
        >>> from runengine.validation.catalogue import RULES
        >>> RULES["RE101"].name
        'illegal-transition'
    """

    code: str
    name: str
    severity: Severity
    says: str
    why: str
    source: str
    hint: str | None = None
    milder: str | None = None
    breaks: Example
    keeps: Example
