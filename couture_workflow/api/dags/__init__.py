"""``/api/dags``."""
