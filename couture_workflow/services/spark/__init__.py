"""Spark jobs: the configuration they start from, the command they become, how they run, why they fail."""

__all__ = [
    "command",
    "configuration",
    "diagnosis",
    "document",
    "draft",
    "environment",
    "hadoop_access",
    "job_requests",
    "jobs",
    "masters",
    "notebook_session",
    "options",
    "pages",
    "preflight",
    "rules",
    "submit",
    "tracking",
]
