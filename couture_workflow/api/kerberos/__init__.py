"""``/api/kerberos``."""
