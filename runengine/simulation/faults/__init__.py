"""Faults with a ground truth: ways in which a recording of a run can be wrong, each declared with the rules it breaks.

A fault is an operator on the recording of one run. It marks the rows at which it can be seen, and the truth about it is
made of that: of the operator, never of a checker. So what a checker finds and misses can be measured. A fault that
breaks no rule is one that nobody who reads the recording can see, and says why: whoever speaks of it is wrong.
"""

from __future__ import annotations

from runengine.simulation.faults.choosing import broken, is_faulted, kinds_of, made_by
from runengine.simulation.faults.fault import Apply, Fault, Truth, read_truths, write_truth
from runengine.simulation.faults.table import FAULTS

__all__ = [
    "FAULTS",
    "Apply",
    "Fault",
    "Truth",
    "broken",
    "is_faulted",
    "kinds_of",
    "made_by",
    "read_truths",
    "write_truth",
]
