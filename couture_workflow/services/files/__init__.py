"""Files that people upload for jobs: dependencies and code artifacts, what is in them, who uses them."""

__all__ = ["artifacts", "contents", "dependencies", "kinds", "uses"]
