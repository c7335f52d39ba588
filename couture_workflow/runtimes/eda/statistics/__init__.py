"""What a profile tells of a table: its columns, its rows, and a sample of them."""
