"""Operators and sensors of the team."""
