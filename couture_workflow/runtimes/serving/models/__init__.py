"""What is in a model's files: its signatures, read before any engine reads them."""
