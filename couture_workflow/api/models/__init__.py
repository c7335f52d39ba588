"""The REST API of trained models."""
