"""Settings of a log-in by a directory, for tests that ask none."""

from __future__ import annotations

from typing import Any

SETTINGS: dict[str, Any] = {
    "AUTH_TYPE": "ldap",
    "AUTH_LDAP_SERVER": "ldap://ldap.example.com",
    "AUTH_LDAP_BIND_USER": "cn=airflow,dc=example,dc=com",
    "AUTH_LDAP_SEARCH": "ou=people,dc=example,dc=com",
    "AUTH_ROLES_MAPPING": {"cn=admins,dc=example,dc=com": ["Admin"]},
}
