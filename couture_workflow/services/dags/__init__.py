"""The DAG repository: files, versions, drafts, what Airflow sees of them, and who names whom."""

__all__ = [
    "downloads",
    "drafts",
    "examples",
    "former",
    "repository",
    "root",
    "sources",
    "triggers",
    "uploads",
    "uses",
    "versions",
    "worktrees",
]
