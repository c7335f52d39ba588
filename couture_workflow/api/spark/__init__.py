"""``/api/configs``."""
