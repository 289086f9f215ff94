"""Real clients: generated from OpenAPI documents of our own, run or read, and held against the dialects' tables.

`pytest -m slow tests/clients` installs what it lacks (the generator with its Java from PyPI, TypeScript from npm, Ruby
and Node from apt) and keeps what it makes in `.cache/clients`. `RUNENGINE_SKIP_CLIENTS=1` goes without.
"""
