"""Finds what changed in production, and how much it matters."""
