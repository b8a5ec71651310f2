"""What the update costs on a real cluster: a round, many runs at once, many strata, many utterances."""
