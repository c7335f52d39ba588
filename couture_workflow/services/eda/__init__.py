"""Exploratory data analysis: sources, runs, outputs, comparisons."""

__all__ = [
    "child",
    "comparison",
    "connections",
    "dag_file",
    "data",
    "differences",
    "document",
    "guard",
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
