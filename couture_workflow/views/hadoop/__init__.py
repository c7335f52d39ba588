"""The page *Admin > Hadoop Configuration*."""
