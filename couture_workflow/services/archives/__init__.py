"""Import and export: configurations, dependencies and DAGs as archives, out of and into a workbench."""

__all__ = ["import_export", "plans", "remote", "uploads"]
