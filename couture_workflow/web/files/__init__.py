"""Uploaded files for an account."""
