"""Exploratory data analysis: sources, runs, outputs, comparisons."""

__all__ = [
    "child",
    "comparisons",
    "connections",
    "dag_file",
    "data",
    "differences",
    "document",
    "outputs",
    "progress",
    "reading",
    "requests",
    "rules",
    "runs",
    "schedules",
    "sources",
    "spark",
    "uses",
]
