"""runengine: the life of a run, driven by one table, and recorded traces checked against it.

The daily names are here; the rest is in `runengine.core`, `runengine.dialects`, `runengine.validation` and
`runengine.rendering`. Events are records of `runengine.core.events`.
"""

from runengine.core import events
from runengine.core.decisions import Applied, Refused
from runengine.core.records import RunObject
from runengine.core.step import allowed_events, apply, decide, replay
from runengine.core.table import DOCUMENTED, PERMISSIVE, PRACTICAL, Policy
from runengine.errors import RunEngineError, TransitionNotAllowed

__all__ = [
    "Applied",
    "DOCUMENTED",
    "PERMISSIVE",
    "PRACTICAL",
    "Policy",
    "Refused",
    "RunEngineError",
    "RunObject",
    "TransitionNotAllowed",
    "allowed_events",
    "apply",
    "decide",
    "events",
    "replay",
]
