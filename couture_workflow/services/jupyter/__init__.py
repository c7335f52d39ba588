"""JupyterLab inside the workbench: a server for each person, its walls and its limits."""

__all__ = ["client", "host", "hub", "servers"]
