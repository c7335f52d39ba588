"""The DAG repository: files, versions, drafts, what Airflow sees of them, and who names whom."""

__all__ = [
    "downloads",
    "drafts",
    "examples",
    "former",
    "generating",
    "repository",
    "root",
    "sources",
    "submodule_imports",
    "triggers",
    "uploads",
    "uses",
    "versions",
    "worktrees",
]
