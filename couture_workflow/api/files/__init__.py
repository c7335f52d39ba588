"""``/api/dependencies`` and ``/api/artifacts``."""
