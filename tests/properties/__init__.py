"""Properties that hold across modules: the engine against the naive model."""
