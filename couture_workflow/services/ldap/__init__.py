"""Log-in by a directory (LDAP): its settings, what of them is applied, and a trial as one person."""

__all__ = [
    "applied",
    "configuration",
    "document",
    "fields",
    "handshake",
    "library",
    "names",
    "roles",
    "rules",
    "search",
    "trial",
]
