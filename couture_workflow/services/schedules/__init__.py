"""Notebooks that run on a schedule: the form, the copy that is pinned, the DAG file."""

__all__ = ["changes", "checking", "copies", "form", "library", "timing", "values"]
