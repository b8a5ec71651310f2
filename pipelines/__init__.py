"""The pipelines, and what ties one to itself."""
