"""Durations in few characters, for labels and tables."""

from __future__ import annotations

from typing import Final

__all__ = ["brief"]

_UNITS: Final = ((86_400, "d", 2), (3600, "h", 2), (60, "min", 2), (1, "s", 1), (1e-3, "ms", 1), (1e-6, "µs", 0))
"""Size in seconds, name, and from how many of it on it is used."""


def brief(seconds: float) -> str:
    """A duration to three digits at most, in the unit that people would use.

    Args:
        seconds: Not negative.

    Example:
        >>> [brief(seconds) for seconds in (0, 0.00123, 0.85, 12.34, 75, 600, 5400, 86400)]
        ['0 s', '1.23 ms', '850 ms', '12.3 s', '75 s', '10 min', '90 min', '24 h']
    """
    if seconds == 0:
        return "0 s"
    size, name, _ = next((unit for unit in _UNITS if seconds >= unit[0] * unit[2]), _UNITS[-1])
    number = f"{seconds / size:.3g}"
    if "e" in number:
        number = f"{seconds / size:,.0f}"
    return f"{number} {name}"
