"""Readers: recordings in any form to items. Each file one form; the registry names them, `inputs` chooses."""

from runengine.validation.readers.inputs import expand, items_in, open_input, read_items
from runengine.validation.readers.others import Found
from runengine.validation.readers.registry import AUTO, DATABASE_READERS, FILE_READERS, READERS

__all__ = [
    "AUTO",
    "DATABASE_READERS",
    "FILE_READERS",
    "READERS",
    "Found",
    "expand",
    "items_in",
    "open_input",
    "read_items",
]
