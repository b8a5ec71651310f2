"""Follows a model back to its root."""
