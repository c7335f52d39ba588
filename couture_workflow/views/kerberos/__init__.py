"""The page *Kerberos Configuration*."""
