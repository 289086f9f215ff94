"""Checking at volume: columns prove that rows need no word, and the checker looks at the rest. Extra `bulk`."""
