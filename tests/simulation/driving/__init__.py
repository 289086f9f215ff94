"""Tests of driven simulation."""
