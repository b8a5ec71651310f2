"""The libraries that do some of the same, each run by a script in an environment of its own."""
