"""Which roles the groups of a person give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from couture_workflow.services.ldap.names import same_dn


@dataclass(frozen=True)
class Resulting:
    """The roles of a person.

    :param by_group: group of the directory -> roles that it gives.
    :param is_fallback: no group gives one, so it is the role of everybody else.
    """

    roles: tuple[str, ...]
    by_group: Mapping[str, tuple[str, ...]]
    is_fallback: bool = False


def resulting(
    groups: Iterable[str], mapping: Mapping[str, Sequence[str]], *, registration: bool, role: str
) -> Resulting:
    """Return the roles of a person; full names of groups may differ in case and blanks.

    :param registration: whether accounts are made at the first log-in.
    :param role: of people for whom no group gives one.
    """
    known = {same_dn(group): tuple(roles) for group, roles in mapping.items()}
    by_group = {group: known[same_dn(group)] for group in groups if same_dn(group) in known}
    found = tuple(dict.fromkeys(each for roles in by_group.values() for each in roles))
    if found or not (registration and role):
        return Resulting(found, by_group)
    return Resulting((role,), {}, is_fallback=True)
