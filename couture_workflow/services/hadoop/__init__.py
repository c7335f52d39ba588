"""Hadoop: named groups of configuration files, the clusters that they lead to, YARN's ResourceManager."""

__all__ = ["connection", "documents", "files", "groups", "index", "pages", "secrets", "yarn"]
