"""Explanations: faults of delivery told from faults of life, the cheapest repair, a run's whole life as a timeline."""
