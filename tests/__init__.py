"""The tests, and what they share: `naive` (the oracle), `samples` (typed out) and `strategies` (drawn)."""
