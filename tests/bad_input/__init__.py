"""Malformed input of every kind, tried in bulk."""
