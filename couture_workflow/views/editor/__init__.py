"""The page *Edit DAG*."""
