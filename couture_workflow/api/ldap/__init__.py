"""REST API of log-in by a directory."""
