"""The personal view: whose stack this is."""

__all__ = ["view"]
