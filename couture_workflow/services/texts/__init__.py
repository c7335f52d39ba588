"""Text from outside, read so that a small one stays small and none can crash its reader."""

__all__ = ["plain_yaml"]
