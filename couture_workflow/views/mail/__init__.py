"""The page of the mail server."""
