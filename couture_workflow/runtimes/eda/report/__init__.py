"""The page that shows a profile, whole or light, and what it points out."""
