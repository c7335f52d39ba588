"""What pages and REST API of exploratory data analysis share: rights, saving."""
