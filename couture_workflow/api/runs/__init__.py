"""``/api/runs``."""
