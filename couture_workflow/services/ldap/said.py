"""What a directory says when it refuses: its own words, and what they mean for whoever sets it up."""

from __future__ import annotations

import re
from typing import Any

#: Active Directory tells by a number within its message why a password is refused.
_REASONS_OF_AD = {
    "525": "there is no such account",
    "52e": "the name or the password is wrong",
    "530": "the account may not log in at this hour",
    "531": "the account may not log in from this machine",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password must be changed first",
    "775": "the account is locked",
}
_DATA = re.compile(r"\bdata ([0-9a-f]{3})\b")

#: Error of python-ldap -> what to do.
_REMEDIES = {
    "INVALID_CREDENTIALS": "The name or the password is wrong.",
    "INVALID_DN_SYNTAX": "This is no full name of an entry: correct it.",
    "NO_SUCH_OBJECT": "There is no such branch, or this account may not read it: correct the branch, or "
    "let the "
    "account read it.",
    "INSUFFICIENT_ACCESS": "The account may not read this: let it read people and groups.",
    "INAPPROPRIATE_AUTH": "The entry has no password to bind with.",
    "CONFIDENTIALITY_REQUIRED": "The directory wants an encrypted connection: switch STARTTLS on, or use ldaps://.",
    "STRONG_AUTH_REQUIRED": "The directory wants an encrypted connection: switch STARTTLS on, or use ldaps://.",
    "UNWILLING_TO_PERFORM": "The directory does not do that: look at its log.",
    "FILTER_ERROR": "The filter is not sound: correct it.",
    "UNDEFINED_TYPE": "The directory knows no such attribute: correct its name.",
    "SIZELIMIT_EXCEEDED": "Too many entries fit: narrow the branch or the filter.",
    "TIMELIMIT_EXCEEDED": "The search takes the directory too long: narrow the branch or the filter.",
    "OPERATIONS_ERROR": "Active Directory answers so to whoever is not bound: look at the service account.",
    "REFERRAL": "The branch is in another directory: name that as server.",
    "TIMEOUT": "The directory is silent: look at the network, or give it more seconds.",
    "SERVER_DOWN": "The directory cannot be reached: look at server, port and certificates.",
    "CONNECT_ERROR": "No encrypted connection is made: look at the certificates.",
    "PROTOCOL_ERROR": "The directory does not know what it is asked: look at STARTTLS.",
}


def plain(error: Any) -> str:
    """Return what the directory says, in its own words."""
    known = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    number = f" ({known['result']})" if known.get("result") is not None else ""
    words = str(known.get("desc") or type(error).__name__) + number
    if more := str(known.get("info") or "").strip().rstrip("\0"):
        words = f"{words}: {' '.join(more.split())[:300]}"
    return words


def in_words(error: Any, *, name: str = "") -> str:
    """Return what the directory says and what to do.

    :param name: the step; a password that is wrong is the service account's or the person's.
    """
    kind = type(error).__name__
    remedy = _REMEDIES.get(kind, "Look at the log of the directory.")
    words = plain(error)
    if kind == "INVALID_CREDENTIALS":
        if (found := _DATA.search(words)) and found[1] in _REASONS_OF_AD:
            remedy = f"Active Directory means: {_REASONS_OF_AD[found[1]]}."
        elif name == "bind":
            remedy = "The name or the password of the service account is wrong: type them again."
    return f"The directory says: {words.rstrip('.')}. {remedy}"
