"""The REST API of exploratory data analysis."""
