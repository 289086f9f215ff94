"""The profile of a corpus for people at a terminal."""

from __future__ import annotations

from rich.console import Console

from runengine.validation.profiling.profile import Profile

__all__ = ["print_profile"]


def print_profile(console: Console, profile: Profile) -> None:
    """Print a profile as tables."""
