"""Code bricks: pieces of DAG code that developers insert in the editor, and change themselves."""

__all__ = ["document", "library", "rules"]
