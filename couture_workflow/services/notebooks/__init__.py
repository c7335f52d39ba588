"""Notebooks: run with parameters in the runtime ``jupyter``, results kept."""

__all__ = ["outputs", "people", "progress", "run"]
