"""Histories by the million, faults with a ground truth, and the runtime under a simulated world (DESIGN §6)."""

from __future__ import annotations

from runengine.simulation.distributions import Constant, Distribution, Exponential, Gamma, Lognormal, Quantiles
from runengine.simulation.errors import ScenarioInvalid
from runengine.simulation.ready import READY, scenario_named
from runengine.simulation.scenario import Arrival, Assistant, Pollers, Scenario, Step, Threads, Tools, Usage
from runengine.simulation.toml import load_scenario, read_scenario, write_scenario

__all__ = [
    "READY",
    "Arrival",
    "Assistant",
    "Constant",
    "Distribution",
    "Exponential",
    "Gamma",
    "Lognormal",
    "Pollers",
    "Quantiles",
    "Scenario",
    "ScenarioInvalid",
    "Step",
    "Threads",
    "Tools",
    "Usage",
    "load_scenario",
    "read_scenario",
    "scenario_named",
    "write_scenario",
]
