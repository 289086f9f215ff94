"""The profile of a corpus: how many runs went which way, and how long each step took."""
