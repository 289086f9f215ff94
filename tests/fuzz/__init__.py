"""Fuzzing of every reader in the registry: `python -m tests.fuzz --inputs N --seed S [--reader NAME]`.

Input number i of a reader is made from the seed, the reader's name and i alone, so that any of them can be made again.
"""
