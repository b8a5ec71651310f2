"""Curate: which rows of production go to people for labels."""
