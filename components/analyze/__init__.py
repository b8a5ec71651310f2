"""Says what is wrong with a model in production, and what data would mend it."""
