"""Spark jobs: the configuration they start from, the command they become, how they run, why they fail."""
