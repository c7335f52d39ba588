"""``/api/git-remote``."""
