"""Export and import for an account."""
