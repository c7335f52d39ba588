"""The ASGI and Flask plumbing that pages and API stand on."""
