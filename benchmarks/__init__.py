"""The figures that the project states, each a module that measures one of them and prints JSON."""
