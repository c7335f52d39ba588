"""SLAs of tasks: what a DAG declares, what was missed, who was told of it, and what people note."""

__all__ = ["declaring", "judging", "listing", "message", "misses", "notes", "telling"]
