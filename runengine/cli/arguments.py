"""Readers of arguments that several commands take."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from runengine.core import POLICIES, STATUSES, TERMINAL, Policy, Status
from runengine.core.generations import generation_named

__all__ = ["generation_number", "hindrance", "whole_number"]


def generation_number(text: str) -> int:
    """The number of a generation given by name; argparse makes a usage error of what is none.

    Example:
        >>> generation_number("G9")
        9
    """
    try:
        return generation_named(text).number
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers in a range; argparse makes a usage error of all others.

    Args:
        least: The smallest.
        most: The largest.

    Example:
        >>> whole_number(1, 9)("7")
        7
    """

    def read(text: str) -> int:
        digits = text.lstrip("0") or "0"
        is_number = text.isascii() and text.isdigit() and len(digits) <= len(str(most))
        if not is_number or not least <= int(digits) <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least:,} to {most:,}, got {_cut(text)!r}")
        return int(digits)

    return read


def hindrance(policy: Policy) -> str | None:
    """Why no runtime moves runs by a policy, and which to take instead; None where it does.

    Example:
        >>> from runengine.core import DOCUMENTED, PRACTICAL
        >>> hindrance(PRACTICAL) is None
        True
        >>> hindrance(DOCUMENTED)[:68]
        'under documented a run that is queued or cancelling could not expire'
    """
    stuck = _stuck(policy)
    if not stuck:
        return None
    usable = " or ".join(name for name, other in POLICIES.items() if not _stuck(other))
    return f"under {policy.name} a run that is {' or '.join(stuck)} could not expire, and so be stuck; use {usable}"


def _stuck(policy: Policy) -> list[Status]:
    needed: dict[Status, set[str]] = {status: {"expire"} for status in STATUSES if status not in TERMINAL}
    needed["cancelling"].add("finish_cancel")
    return [status for status, events in needed.items() if not events <= {*policy.allowed(status)}]


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
