"""How a version of a model comes in: received, then taken step by step until it is served."""
