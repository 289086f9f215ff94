"""The registry of readers: what `--reader` takes, in the order in which a file is tried with them."""

from __future__ import annotations

from typing import Final

from runengine.validation.readers import (
    arrow_files,
    azure,
    har,
    json_document,
    json_lines,
    kotlin_sql,
    parquet,
    sse,
    store,
    vcr,
)
from runengine.validation.readers.reader import DatabaseReader, Reader

__all__ = ["AUTO", "DATABASE_READERS", "FILE_READERS", "READERS"]

AUTO: Final = "auto"
"""The form of a file is told by its beginning, the kind of a database by its tables."""

FILE_READERS: Final[dict[str, Reader]] = {
    reader.name: reader
    for reader in (
        parquet.READER,
        arrow_files.READER,
        sse.READER,
        vcr.READER,
        har.READER,
        azure.READER,
        json_document.READER,
        json_lines.READER,
    )
}
"""Readers of files by name; the last takes whatever the others do not."""

DATABASE_READERS: Final[dict[str, DatabaseReader]] = {
    reader.name: reader for reader in (store.READER, kotlin_sql.READER)
}
"""Readers of databases by name; the last takes whatever the others do not, and says what is wrong with it."""

READERS: Final[dict[str, Reader | DatabaseReader]] = {**FILE_READERS, **DATABASE_READERS}
"""All of them."""
