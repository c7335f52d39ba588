"""Notebooks that run on a schedule: the form, the copy that is pinned, the DAG file."""

__all__: list[str] = []
