"""Tests of `runengine.dialects`, one file a module; `documents` holds what they share."""
