"""The rewriting of an old DAG file that is Python of today: its imports, arguments, tasks, strings."""
