"""Tests of checking at volume."""
