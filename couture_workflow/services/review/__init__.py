"""What a person looks at before a save: differences of texts and graphs, merges, what others did."""

__all__ = ["before_save", "checking"]
