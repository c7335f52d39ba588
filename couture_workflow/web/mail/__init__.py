"""The mail server: what page and REST API share."""
