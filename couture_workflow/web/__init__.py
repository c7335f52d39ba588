"""The ASGI and Flask plumbing that pages and REST API stand on."""
