"""Chooses which rows of production are kept, labelled or learnt from."""
