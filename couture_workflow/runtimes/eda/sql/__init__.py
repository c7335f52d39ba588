"""SQL databases as sources: the dialects, and rows on their way into a file."""
