"""The save gate: whether DAG files, as they would be after a change, can go live; with its sandbox."""

__all__ = ["check", "folders", "graph", "lint", "parses", "preparation", "problems"]
