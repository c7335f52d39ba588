"""The REST API of Hadoop groups."""
