"""Files as sources: how they are written, and from their texts to the table of a profile."""
