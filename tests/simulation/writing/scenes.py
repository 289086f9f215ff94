"""Scenarios with a change, for tests of writers."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from runengine.simulation import Scenario

__all__ = ["with_changes"]


def with_changes(scenario: Scenario, **changes: Any) -> Scenario:
    """A scenario with other values.

    Args:
        scenario: The scenario.
        changes: Its keys.
    """
    return evolve(scenario, **changes)
