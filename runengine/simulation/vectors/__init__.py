"""Runs by the column, with numpy: histories at any volume in bounded memory.

Needs `pip install 'runengine[simulation]'`.
"""

from runengine.simulation.errors import MissingExtra

try:
    import numpy as np  # noqa: F401 - said here once for every module of the folder
except ImportError:
    raise MissingExtra("simulating in columns", "simulation") from None
