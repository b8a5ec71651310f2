"""Form a dataset: what an update learns from, named by its content."""
