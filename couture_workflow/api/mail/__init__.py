"""REST API of the mail server."""
