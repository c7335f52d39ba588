"""The page *Review & Save*."""
