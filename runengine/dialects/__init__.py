"""Dialects: the ways of writing runs as JSON. Reading is exact and total: nothing is coerced, nothing is lost."""

from runengine.dialects.native import NATIVE, read_run, write_run
from runengine.dialects.structuring import Dialect, make_dialect
from runengine.dialects.wire import NotJSON, decode, encode

__all__ = ["Dialect", "NATIVE", "NotJSON", "decode", "encode", "make_dialect", "read_run", "write_run"]
