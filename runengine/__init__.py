"""runengine: the life of a run."""
