"""Use cases and rules, one module per noun. Knows no HTTP and no page."""
