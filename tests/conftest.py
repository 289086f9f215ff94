"""Hypothesis profiles for every test: `default`, `ci` and `thorough`.

Choose one with `pytest --hypothesis-profile=thorough` or `HYPOTHESIS_PROFILE=thorough`; without either it is `ci`
where the environment says `CI`, else `default`. No profile has a deadline: the machines are shared.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("tests.databases",)
pytest.register_assert_rewrite("runengine.testing")  # its asserts show their values then

_QUIET = (HealthCheck.too_slow,)

settings.register_profile("default", max_examples=100, deadline=None, suppress_health_check=_QUIET)
settings.register_profile("ci", max_examples=300, deadline=None, suppress_health_check=_QUIET, print_blob=True)
settings.register_profile("thorough", max_examples=5_000, deadline=None, suppress_health_check=_QUIET, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))
