"""The page of missed SLAs."""
