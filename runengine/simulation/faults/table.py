"""The table of faults."""

from __future__ import annotations

from typing import Final

from runengine.simulation.faults.delivery import DELIVERY_FAULTS
from runengine.simulation.faults.fault import Fault
from runengine.simulation.faults.keys import KEY_FAULTS
from runengine.simulation.faults.lines import LINE_FAULTS
from runengine.simulation.faults.objects import OBJECT_FAULTS
from runengine.simulation.faults.path import PATH_FAULTS
from runengine.simulation.faults.payload import PAYLOAD_FAULTS
from runengine.simulation.faults.stamps import STAMP_FAULTS
from runengine.simulation.faults.streams import STREAM_FAULTS

__all__ = ["FAULTS"]

FAULTS: Final[dict[str, Fault]] = {
    fault.name: fault
    for fault in (
        *PATH_FAULTS,
        *STAMP_FAULTS,
        *PAYLOAD_FAULTS,
        *KEY_FAULTS,
        *DELIVERY_FAULTS,
        *LINE_FAULTS,
        *STREAM_FAULTS,
        *OBJECT_FAULTS,
    )
}
"""Every operator, by name."""
