"""What is needed of the library of Spark, of the kind that a DataFrame is of: classic, or of Spark Connect."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["functions_of", "schema_of"]

_CONNECT: Final = "pyspark.sql.connect"


def functions_of(df: DataFrame) -> Any:
    """The functions on columns.

    Example:
        >>> functions_of(df).__name__  # doctest: +SKIP
        'pyspark.sql.functions'
    """
    return import_module(f"{_CONNECT if type(df).__module__.startswith(_CONNECT) else 'pyspark.sql'}.functions")


def schema_of(df: DataFrame) -> pa.Schema:
    """The columns of a DataFrame as Arrow has them.

    Example:
        >>> schema_of(df).names  # doctest: +SKIP
        ['id', 'status']
    """
    return df.limit(0).toArrow().schema
