"""Decides whether to update, and records it."""
