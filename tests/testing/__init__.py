"""The rooms for users' own tests."""
