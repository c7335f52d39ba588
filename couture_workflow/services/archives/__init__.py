"""Import and export: configurations, dependencies and DAGs as archives, out of and into a workbench."""
