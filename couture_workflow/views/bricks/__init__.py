"""The page *Code Bricks*."""
