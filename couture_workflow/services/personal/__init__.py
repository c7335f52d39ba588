"""The personal view: whose stack this is."""
