"""The page *Import/Export*."""
