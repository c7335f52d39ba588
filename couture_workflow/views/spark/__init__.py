"""The page *Spark Configuration*."""
