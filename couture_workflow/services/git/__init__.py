"""The git remote of the DAG repository: reached, watched, and kept in step without losing anything."""

__all__ = ["remote", "sync", "watch"]
