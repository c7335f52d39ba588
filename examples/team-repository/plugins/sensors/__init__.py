"""Sensors of the team."""
