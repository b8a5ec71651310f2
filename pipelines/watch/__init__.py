"""Watches a model, and updates it where that is worth it."""
