"""Profiles of tables that can be merged, and the distances between them."""
