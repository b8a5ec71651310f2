"""Recurring runs from Git: a file says which there are, and the server is brought to hold just these."""
