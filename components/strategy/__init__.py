"""How a model is watched and updated, as one versioned file."""
