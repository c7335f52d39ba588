"""``/api/notebooks/servers``."""
