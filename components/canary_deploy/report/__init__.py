"""The page of a rollout, made from its evidence alone."""
