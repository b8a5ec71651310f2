"""The report card of an update, and who signed it."""
