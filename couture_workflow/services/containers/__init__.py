"""The stack of containers: its secrets, its first start, its health."""

__all__ = ["health", "init", "secrets"]
