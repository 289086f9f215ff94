"""Readers of arguments that several commands take."""

from __future__ import annotations

import argparse

from runengine.core.generations import generation_named

__all__ = ["generation_number"]


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
