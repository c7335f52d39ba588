"""Spark jobs: the configuration they start from, the command they become, how they run, why they fail."""

__all__ = [
    "command",
    "configuration",
    "diagnosis",
    "document",
    "draft",
    "job_requests",
    "jobs",
    "notebook_session",
    "options",
    "pages",
    "preflight",
    "rules",
    "tracking",
]
