"""What the DAG editor needs for one file: its text, completion, help and layout."""

__all__ = ["completion", "files", "format"]
