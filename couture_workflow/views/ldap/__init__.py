"""The page of log-in by a directory."""
