"""What updating costs, and what it is worth."""
