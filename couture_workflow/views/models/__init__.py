"""The pages of trained models."""
