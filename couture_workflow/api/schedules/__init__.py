"""``/api/notebooks/schedules`` and ``/api/notebooks/documents``."""
