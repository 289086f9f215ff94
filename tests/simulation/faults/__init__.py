"""Tests of the faults and of their truth."""
