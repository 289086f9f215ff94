"""Measurements, each a module with a `main()`: run `python -m tests.benchmarks [name …]`. Nothing is asserted here."""
