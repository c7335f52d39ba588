"""Archives of models: what is in them, and where they lie unpacked."""
