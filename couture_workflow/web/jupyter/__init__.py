"""The way to people's own JupyterLab: who may go it, and what passes on it."""
