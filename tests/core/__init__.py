"""Tests of `runengine.core`, one file a module."""
