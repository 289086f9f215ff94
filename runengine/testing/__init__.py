"""For users' own tests: what a store of their own must pass. Needs pytest; nothing else in runengine imports it."""
