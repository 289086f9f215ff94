"""Ids for runs: the only user of the system's randomness outside the simulator."""

from __future__ import annotations

import secrets
from typing import Final

__all__ = ["new_run_id"]

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_LENGTH: Final = 24


def new_run_id() -> str:
    """An id as the API's look: `run_` and 24 letters and digits (143 bits).

    Example:
        >>> new_run_id()[:4], len(new_run_id())
        ('run_', 28)
    """
    return "run_" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
