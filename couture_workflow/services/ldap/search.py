"""A person and the person's groups in a directory: one search for the log-in and for the trial of settings.

The connection is python-ldap's, open and bound; the values are the settings as plain data.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from couture_workflow.exceptions import NotFoundError

#: Active Directory's rule that follows groups within groups.
_NESTED = "1.2.840.113556.1.4.1941"
_MOST_GROUPS = 5000

Attributes = dict[str, list[bytes]]


@dataclass(frozen=True)
class Person:
    """Somebody who was found.

    :param attributes: by the names that the settings have, whatever case the directory writes them in; the
        attribute of the groups has what was searched for, too.
    """

    dn: str
    attributes: Attributes


def person_filter(values: Mapping[str, Any], name: str) -> str:
    """Return the filter for one person; nothing in the name can change what it asks."""
    from ldap.filter import escape_filter_chars

    own = f"({values['AUTH_LDAP_UID_FIELD']}={escape_filter_chars(name)})"
    more = values["AUTH_LDAP_SEARCH_FILTER"]
    return f"(&{more}{own})" if more else own


def find(connection: Any, values: Mapping[str, Any], name: str) -> Person:
    """Return a person with groups, or raise ``NotFoundError`` or what python-ldap raises."""
    import ldap

    uid, group_field = values["AUTH_LDAP_UID_FIELD"], values["AUTH_LDAP_GROUP_FIELD"]
    wanted = [uid, *(values[f"AUTH_LDAP_{each}_FIELD"] for each in ("FIRSTNAME", "LASTNAME", "EMAIL"))]
    wanted.append(group_field)
    rows = connection.search_s(
        values["AUTH_LDAP_SEARCH"],
        ldap.SCOPE_SUBTREE,
        person_filter(values, name),
        list(dict.fromkeys(wanted)),
    )
    people = [(dn, found) for dn, found in rows if dn is not None and isinstance(found, dict)]  # no referrals
    if not people:
        raise NotFoundError(
            f"The directory has nobody whose {uid} is {name!r} below {values['AUTH_LDAP_SEARCH']} who "
            "fits the filter."
        )
    if len(people) > 1:
        listed = ", ".join(dn for dn, _ in people[:3])
        raise NotFoundError(
            f"The directory has {len(people)} people whose {uid} is {name!r}: {listed}. One must be."
        )
    dn, raw = people[0]
    attributes = _named(raw, wanted)
    _check_name(attributes.get(uid, []), name, uid)
    groups = [*attributes.get(group_field, []), *_groups(connection, values, dn, name)]
    if groups:
        attributes[group_field] = list(dict.fromkeys(groups))
    return Person(dn, attributes)


def _named(raw: Mapping[str, list[bytes]], wanted: list[str]) -> Attributes:
    found = {name.casefold(): content for name, content in raw.items()}
    return {name: list(found[name.casefold()]) for name in dict.fromkeys(wanted) if name.casefold() in found}


def _check_name(known: list[bytes], name: str, uid: str) -> None:
    """Refuse a name that the directory only takes for the person's: it would get a second account here."""
    texts = [text.decode("utf-8", "replace") for text in known]
    if texts and _same(name) not in map(_same, texts):
        raise NotFoundError(
            f"The directory writes this person's {uid} as {texts[0]!r}, not {name!r}. Use that name."
        )


def _same(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _groups(connection: Any, values: Mapping[str, Any], dn: str, name: str) -> list[bytes]:
    """Return the full names of groups that are searched for, without those that the person's entry names."""
    import ldap
    from ldap.filter import escape_filter_chars

    own, asked = escape_filter_chars(dn), []
    base = values["AUTH_LDAP_GROUP_SEARCH"]
    if base:
        asked.append(f"(|(member={own})(uniqueMember={own})(memberUid={escape_filter_chars(name)}))")
    if values["AUTH_LDAP_USE_NESTED_GROUPS_FOR_ROLES"]:
        asked.append(f"(&(objectCategory=Group)(member:{_NESTED}:={own}))")
    found: list[bytes] = []
    for text in asked:
        rows = connection.search_s(base or values["AUTH_LDAP_SEARCH"], ldap.SCOPE_SUBTREE, text, ["1.1"])
        found += [group.encode() for group, _ in rows if group is not None]
    return found[:_MOST_GROUPS]


def texts(attributes: Attributes, name: str) -> list[str]:
    """Return the values of an attribute as text."""
    return [text for value in attributes.get(name, []) if (text := value.decode("utf-8", "replace"))]
