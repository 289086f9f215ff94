"""Dialects: the ways of writing runs. Reading is exact and total: nothing is coerced, nothing is lost in silence."""

from runengine.dialects.detection import Detection, detect
from runengine.dialects.documents import DIALECTS, JsonDialect, Written, dialect_named
from runengine.dialects.limits import Loss
from runengine.dialects.native import read_run, write_run
from runengine.dialects.wire import NotJSON, decode, encode

__all__ = [
    "DIALECTS",
    "Detection",
    "JsonDialect",
    "Loss",
    "NotJSON",
    "Written",
    "decode",
    "detect",
    "dialect_named",
    "encode",
    "read_run",
    "write_run",
]
