"""The page *DAG Repository*."""
