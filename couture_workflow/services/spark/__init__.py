"""Spark jobs: the configuration they start from, the command they become, how they run, why they fail."""

__all__ = [
    "command",
    "configuration",
    "diagnosis",
    "document",
    "draft",
    "jobs",
    "notebook_session",
    "options",
    "pages",
    "rules",
    "tracking",
]
