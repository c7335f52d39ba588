"""A log-in tried as one person, step by step, in a process of its own: nothing is applied, nothing is stored.

The LDAP library keeps the settings of TLS for its whole process, so each trial has a fresh one. It can be
killed: a name server may be silent too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.services.ldap import handshake, library, said, search
from couture_workflow.services.ldap.document import Document
from couture_workflow.services.ldap.names import name_to_bind
from couture_workflow.services.ldap.roles import resulting
from couture_workflow.services.processes import apart

#: Seconds after which the process is killed.
LIMIT = 30.0

CONNECT, BIND, SEARCH, LOG_IN, GROUPS, ROLES = "connection", "bind", "search", "password", "groups", "roles"
TITLES = {
    CONNECT: "Connection",
    BIND: "Service account",
    SEARCH: "Search",
    LOG_IN: "Password",
    GROUPS: "Groups",
    ROLES: "Roles",
}


@dataclass(frozen=True)
class Step:
    """One step of a log-in.

    :param message: what was found, or what the directory says and what to do.
    :param details: more of what was found, one thing a line.
    """

    name: str
    ok: bool
    message: str
    details: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return what the step is called."""
        return TITLES.get(self.name, self.name.capitalize())


@dataclass(frozen=True)
class Trial:
    """What came out.

    :param steps: up to the first that failed.
    :param ok: the person would be let in, as far as the directory is asked.
    :param email: of the person, "" if unknown.
    :param roles: that the person would have.
    """

    steps: tuple[Step, ...]
    ok: bool
    email: str = ""
    roles: tuple[str, ...] = ()


def check_person(username: object, password: object) -> tuple[str, str]:
    """Return the name and the password of the person to try, or raise ``InvalidError``."""
    for name, value in (("username", username), ("password", password)):
        if not isinstance(value, str) or len(value) > 500 or "\0" in value:
            raise InvalidError(f"The {name} must be a text of at most 500 characters.", field=name)
        if not value.strip():
            raise InvalidError(
                f"Type the {name} of somebody who is in the directory. It is not stored.", field=name
            )
    return str(username).strip(), str(password)


def run(document: Document, *, bind_password: str, username: str, password: str) -> Trial:
    """Try to log in as somebody and return how far that went.

    :param bind_password: of the service account, "" for none.
    """
    if missing := library.problem():
        return Trial((Step(CONNECT, False, missing),), ok=False)
    settings = {"values": document.json(), "password": bind_password}
    person = {"username": username, "password": password}
    answer = apart.each("ldap.trial.tried", settings, [person], seconds=LIMIT, total=LIMIT + 5)[0]
    if not isinstance(answer.value, dict):
        late = answer.why in ("time", "late")
        message = (
            f"There is no answer after {LIMIT:.0f} seconds, so the trial was ended. Look at the name "
            "server and the network of this machine."
            if late
            else "The trial's process ended. The settings may hold something that the LDAP library "
            "cannot take."
        )
        return Trial((Step(CONNECT, False, message),), ok=False)
    steps = tuple(Step(**{**step, "details": tuple(step["details"])}) for step in answer.value["steps"])
    return Trial(
        steps,
        ok=bool(steps) and all(step.ok for step in steps),
        email=answer.value["email"],
        roles=tuple(answer.value["roles"]),
    )


@dataclass
class _Course:
    """A trial on its way, in its process."""

    values: Mapping[str, Any]
    steps: list[dict[str, Any]] = field(default_factory=list)
    email: str = ""
    roles: tuple[str, ...] = ()

    def good(self, name: str, message: str, details: list[str] | None = None) -> None:
        self.steps.append({"name": name, "ok": True, "message": message, "details": details or []})

    def bad(self, name: str, message: str, details: list[str] | None = None) -> None:
        self.steps.append({"name": name, "ok": False, "message": message, "details": details or []})

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Turn what the directory or the library says into the step's message, and end the trial."""
        import ldap

        try:
            yield
        except ldap.LDAPError as error:
            self.bad(name, said.in_words(error, name=name))
            raise _EndedError from None
        except (NotFoundError, ValueError, TypeError) as error:
            self.bad(name, str(error))
            raise _EndedError from None


class _EndedError(Exception):
    """A step failed."""


def tried(settings: dict[str, Any], person: dict[str, str]) -> dict[str, Any]:
    """Try to log in as somebody: called in the process of the trial."""
    values = settings["values"]
    course = _Course(values)
    try:
        connection = _connected(course)
        if values["AUTH_LDAP_BIND_USER"]:
            _tell_roles(course, _by_service(course, connection, settings["password"], person))
        else:
            _tell_roles(course, _by_name(course, connection, person))
    except _EndedError:
        pass
    return {"steps": course.steps, "email": course.email, "roles": list(course.roles)}


def use_limits(ldap: Any, seconds: float) -> None:
    """Bound every connection of this process: connecting, and each answer. One limit leaves the other out."""
    ldap.set_option(ldap.OPT_NETWORK_TIMEOUT, seconds)
    ldap.set_option(ldap.OPT_TIMEOUT, seconds)
    for name, value in (("IDLE", 10), ("INTERVAL", 2), ("PROBES", 3)):  # a machine that is gone is noticed
        ldap.set_option(getattr(ldap, f"OPT_X_KEEPALIVE_{name}"), value)


def _use_certificates(ldap: Any, values: Mapping[str, Any]) -> None:
    """Set the options of TLS as Flask-AppBuilder does at a log-in."""
    for name in ("CACERTDIR", "CACERTFILE", "CERTFILE", "KEYFILE"):
        if path := values[f"AUTH_LDAP_TLS_{name}"]:
            try:
                ldap.set_option(getattr(ldap, f"OPT_X_TLS_{name}"), path)
            except (ValueError, ldap.LDAPError):
                raise ValueError(
                    f"{path} cannot be used as AUTH_LDAP_TLS_{name}. Look whether it is there."
                ) from None
    allowed, demanded = values["AUTH_LDAP_ALLOW_SELF_SIGNED"], values["AUTH_LDAP_TLS_DEMAND"]
    if not (allowed or demanded):
        return
    try:
        wanted = ldap.OPT_X_TLS_ALLOW if allowed else ldap.OPT_X_TLS_DEMAND
        ldap.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, wanted)
        ldap.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    except (ValueError, ldap.LDAPError):
        raise ValueError(
            "The LDAP library cannot use the files of certificates. Look whether they are there, "
            "readable, and PEM."
        ) from None


def _connected(course: _Course) -> Any:
    import ldap

    values = course.values
    seconds = float(values["LDAP_TIMEOUT"])
    use_limits(ldap, seconds)
    with course.step(CONNECT):
        _use_certificates(ldap, values)
        if not (servers := handshake.answering(values, seconds)):
            course.bad(CONNECT, handshake.why(values, seconds) or "No server answers in time.")
            raise _EndedError
        connection = ldap.initialize(" ".join(servers))
        connection.set_option(ldap.OPT_REFERRALS, 0)
        if error := _unconnected(ldap, connection, values):
            own = said.in_words(error, name=CONNECT)
            course.bad(CONNECT, handshake.why(values, seconds) or own, [said.plain(error)])
            raise _EndedError
    how = "encrypted by STARTTLS" if values["AUTH_LDAP_USE_TLS"] else "encrypted"
    encrypted = values["AUTH_LDAP_USE_TLS"] or "ldaps://" in values["AUTH_LDAP_SERVER"]
    course.good(CONNECT, f"{values['AUTH_LDAP_SERVER']} answers, {how if encrypted else 'not encrypted'}.")
    return connection


def _unconnected(ldap: Any, connection: Any, values: Mapping[str, Any]) -> Any:
    """Return why there is no connection, None if there is one; any answer shows that there is."""
    try:
        if values["AUTH_LDAP_USE_TLS"]:
            connection.start_tls_s()
    except ldap.LDAPError as error:
        return error
    try:
        connection.search_s("", ldap.SCOPE_BASE, "(objectClass=*)", ["vendorName"])
    except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.LOCAL_ERROR) as error:
        return error
    except ldap.LDAPError:
        return None  # it does not answer whoever is not bound
    return None


def _by_service(
    course: _Course, connection: Any, bind_password: str, person: Mapping[str, str]
) -> search.Person:
    """Look the person up with the service account, then bind as the person."""
    account = course.values["AUTH_LDAP_BIND_USER"]
    with course.step(BIND):
        connection.simple_bind_s(account, bind_password)
    course.good(BIND, f"Bound as {account}.")
    found = _found(course, connection, person["username"])
    with course.step(LOG_IN):
        connection.simple_bind_s(found.dn, person["password"])
    course.good(LOG_IN, f"The directory accepts the password of {found.dn}.")
    return found


def _by_name(course: _Course, connection: Any, person: Mapping[str, str]) -> search.Person | None:
    """Bind as the person at once, then look up what the directory knows of the person."""
    name = name_to_bind(course.values, person["username"])
    with course.step(LOG_IN):
        connection.simple_bind_s(name, person["password"])
    course.good(LOG_IN, f"The directory accepts the password of {name}.")
    return _found(course, connection, person["username"]) if course.values["AUTH_LDAP_SEARCH"] else None


def _found(course: _Course, connection: Any, name: str) -> search.Person:
    values = course.values
    with course.step(SEARCH):
        found = search.find(connection, values, name)
        details = [f"Filter: {search.person_filter(values, name)}"]
        for attribute in ("UID", "FIRSTNAME", "LASTNAME", "EMAIL"):
            known = values[f"AUTH_LDAP_{attribute}_FIELD"]
            details.append(f"{known}: {', '.join(search.texts(found.attributes, known)) or '(none)'}")
    course.email = next(iter(search.texts(found.attributes, values["AUTH_LDAP_EMAIL_FIELD"])), "")
    course.good(SEARCH, f"Found {found.dn}.", details)
    return found


def _tell_roles(course: _Course, person: search.Person | None) -> None:
    values = course.values
    if person is None:
        course.good(GROUPS, "People are not searched for, so that groups and roles are not known.")
        return
    groups = search.texts(person.attributes, values["AUTH_LDAP_GROUP_FIELD"])
    course.good(GROUPS, f"{len(groups)} group(s)." if groups else "No group.", groups[:100])
    mapping = {group: tuple(roles) for group, roles in values["AUTH_ROLES_MAPPING"].items()}
    found = resulting(
        groups,
        mapping,
        registration=bool(values["AUTH_USER_REGISTRATION"]),
        role=str(values["AUTH_USER_REGISTRATION_ROLE"]),
    )
    course.roles = found.roles
    details = [f"{group}: {', '.join(roles)}" for group, roles in found.by_group.items()]
    if not found.roles:
        course.good(ROLES, "No role: the person could log in and would see nothing.", details)
    elif found.is_fallback:
        course.good(ROLES, f"{found.roles[0]}, as no group gives a role.", details)
    else:
        course.good(ROLES, f"{', '.join(found.roles)}, by the groups.", details)
