"""Readers: recordings in any form to observations. Each file one form; `inputs` chooses."""

from runengine.validation.readers.inputs import expand, open_input, read_items

__all__ = ["expand", "open_input", "read_items"]
