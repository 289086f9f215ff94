"""Recall and precision of the checker, fault by fault: `python -m tests.recall [--runs N] [-o FILE] [--notes]`.

Runs of every ready-made scenario, and of some in other generations, dialects and policies, are recorded in every view;
every other run is broken, by the operators in turn. A file of all of them, their rows in order of time, is read and
checked as `runengine check` does it; what it reports is compared with the truth that the operators declared.
"""

from __future__ import annotations

from typing import Final

__all__ = ["RUNS", "SEED"]

RUNS: Final = 400
"""Runs of each world and view on the page."""

SEED: Final = 5
"""The seed of the page."""
