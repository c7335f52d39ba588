"""Backup and restore: all state of an installation in one file, and back, all of it or nothing."""

__all__ = ["backup", "keys", "restore"]
