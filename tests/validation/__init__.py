"""Tests of runengine.validation."""
