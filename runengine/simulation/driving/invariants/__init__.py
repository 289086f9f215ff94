"""Invariants of simulated worlds: a name, a sentence, a function each. See `table`."""
