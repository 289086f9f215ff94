"""The ready-made scenarios: TOML files that come with the library."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from runengine.simulation.errors import ScenarioInvalid
from runengine.simulation.scenario import Scenario
from runengine.simulation.toml import read_scenario

__all__ = ["READY", "scenario_named", "text_named"]

_FOLDER: Final = files("runengine.simulation") / "scenarios"

READY: Final[tuple[str, ...]] = tuple(
    sorted(f.name.removesuffix(".toml") for f in _FOLDER.iterdir() if f.name.endswith(".toml"))
)
"""Their names."""


def text_named(name: str) -> str:
    """The file of a ready-made scenario.

    Args:
        name: One of `READY`.

    Raises:
        ScenarioInvalid: there is none of that name.

    Example:
        >>> text_named("steady").splitlines()[0]
        'name = "steady"'
    """
    if name not in READY:
        raise ScenarioInvalid(name, (f"no ready-made scenario; there are {', '.join(READY)}",))
    return (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")


@cache
def scenario_named(name: str) -> Scenario:
    """A ready-made scenario.

    Args:
        name: One of `READY`.

    Raises:
        ScenarioInvalid: there is none of that name.

    Example:
        >>> scenario_named("steady").arrival.rate_per_s
        2.0
    """
    return read_scenario(text_named(name), f"{name}.toml")
