"""REST API of missed SLAs."""
