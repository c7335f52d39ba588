"""Kerberos: keytabs, the ``krb5.conf`` that goes with them, and tickets taken with a real ``kinit``."""

__all__ = ["configuration", "keytabs", "pages", "tickets"]
