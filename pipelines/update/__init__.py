"""The update pipeline."""
