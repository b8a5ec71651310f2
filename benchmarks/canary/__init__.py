"""How often rollouts end wrongly, and how fast rightly: simulated, ours beside what other tools do."""
