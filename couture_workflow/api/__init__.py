"""REST API: one router per noun."""
