"""Forms the rows that an update learns from."""
