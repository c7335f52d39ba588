"""The pages of exploratory data analysis."""
