"""Decide: whether a model is updated now, and the record of it."""
