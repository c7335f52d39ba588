"""The text of a ``krb5.conf``: its grammar, what is wrong or risky in it, and what a run gets of it.

https://web.mit.edu/kerberos/krb5-devel/doc/admin/conf_files/krb5_conf.html. Whoever edits the text decides on
every worker what a Kerberos library does, so what would make it load code or read other files is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

#: Bytes of a text, and sections within each other.
MAX_BYTES = 64 * 2**10
MAX_DEPTH = 8

ERROR, WARNING, NOTE = "error", "warning", "note"

LIBDEFAULTS, REALMS = "libdefaults", "realms"
#: Sections that programs on a client look into.
_KNOWN = {LIBDEFAULTS, REALMS, "domain_realm", "capaths", "appdefaults", "logging"}
#: Sections of servers.
_OF_SERVERS = {"kdc", "kdcdefaults", "dbdefaults", "dbmodules", "kadmin", "password_quality", "login"}

_SECTION = re.compile(r"\[([^\[\]]+)\]\*?")
_INCLUDE = re.compile(r"(include|includedir|module)\s")
_NAME = re.compile(r"[^\s={}\[\]]+")

#: What Kerberos takes for yes.
_YES = {"y", "yes", "true", "t", "1", "on"}
_ENCTYPES = {"permitted_enctypes", "default_tkt_enctypes", "default_tgs_enctypes"}
_WEAK = re.compile(r"(?<![-\w])(des|des3|rc4|arcfour)(?![a-z])[\w-]*", re.IGNORECASE)

#: What a run's copy has whatever the text says: a clock that is wrong is told, not hidden, and the cache is
#: the run's own.
_FORCED = {"kdc_timesync": "0", "default_ccache_name": ""}
#: What it has unless the text says otherwise: Java waits 90 seconds for a KDC that is silent. Milliseconds.
_UNLESS_SET = {"kdc_timeout": "3000", "max_retries": "1"}


@dataclass(frozen=True)
class Relation:
    """One ``name = value``.

    :param line: its number, from 1.
    :param path: the sections around it, outermost first.
    """

    line: int
    path: tuple[str, ...]
    name: str
    value: str


@dataclass(frozen=True)
class Remark:
    """Something that is wrong or worth knowing.

    :param line: where, 0 for the text as a whole.
    :param level: ``error``, which stops a save; ``warning`` or ``note``.
    """

    line: int
    level: str
    message: str


@dataclass(frozen=True)
class Parsed:
    """A text that was read.

    :param sections: number of line and name of each section.
    """

    relations: tuple[Relation, ...]
    sections: tuple[tuple[int, str], ...]
    errors: tuple[Remark, ...]

    @cached_property
    def _values(self) -> dict[tuple[str, ...], list[str]]:
        found: dict[tuple[str, ...], list[str]] = {}
        for each in self.relations:
            found.setdefault((*each.path, each.name), []).append(each.value)
        return found

    def values(self, *path: str) -> tuple[str, ...]:
        """Return all values of a name, sections first: ``values("libdefaults", "default_realm")``."""
        return tuple(self._values.get(path, ()))

    def realms(self) -> tuple[str, ...]:
        """Return the realms that the text describes."""
        described = (each.path[1] for each in self.relations if len(each.path) > 1 and each.path[0] == REALMS)
        return tuple(dict.fromkeys(described))


class _Parser:
    """Reads a text line by line, as MIT Kerberos does."""

    def __init__(self) -> None:
        self.relations: list[Relation] = []
        self.sections: list[tuple[int, str]] = []
        self.errors: list[Remark] = []
        self._path: list[str] = []
        self._opened: list[int] = []
        self._waiting: tuple[int, str] | None = None

    def parse(self, text: str) -> Parsed:
        for number, line in enumerate(text.split("\n"), 1):
            line = line.strip()
            if line and line[0] not in "#;":
                self._take(number, line)
        if self._waiting:
            self._wrong(self._waiting[0], f"{self._waiting[1]} has no value")
        elif self._opened:
            self._wrong(self._opened[-1], f"The {{ of {self._path[-1]} is never closed")
        return Parsed(tuple(self.relations), tuple(self.sections), tuple(self.errors))

    def _take(self, number: int, line: str) -> None:
        if self._waiting:
            (at, name), self._waiting = self._waiting, None
            if line == "{":
                self._open(at, name)
                return
            self._wrong(at, f"{name} has no value")
        if section := _SECTION.fullmatch(line):
            self._begin(number, section[1].strip())
        elif line in ("}", "}*"):
            self._close(number)
        elif found := _INCLUDE.match(line):
            self._wrong(
                number,
                f"{found[1]} is refused: what it names is not the same on every worker, or is code. Write "
                "here what belongs here",
            )
        else:
            name, equals, value = (part.strip() for part in line.partition("="))
            if equals and _NAME.fullmatch(name):
                self._relation(number, name.rstrip("*"), value)
            else:
                self._wrong(number, "This is none of [section], name = value, name = {, } and # comment")

    def _begin(self, number: int, name: str) -> None:
        if self._opened:
            self._wrong(self._opened[-1], f"The {{ of {self._path[-1]} is not closed before [{name}]")
            self._opened = []
        self._path = [name]
        self.sections.append((number, name))

    def _close(self, number: int) -> None:
        if not self._opened:
            self._wrong(number, "There is no { that this } closes")
            return
        self._opened.pop()
        self._path.pop()

    def _relation(self, number: int, name: str, value: str) -> None:
        if not self._path:
            self._wrong(number, f"{name} stands before the first [section]")
        elif value == "{":
            self._open(number, name)
        elif not value:
            self._waiting = number, name
        else:
            if len(value) > 1 and value[0] == value[-1] == '"':
                value = value[1:-1]
            self.relations.append(Relation(number, tuple(self._path), name, value))

    def _open(self, number: int, name: str) -> None:
        if len(self._path) > MAX_DEPTH:
            self._wrong(number, f"Sections within each other go at most {MAX_DEPTH} deep")
        self._opened.append(number)
        self._path.append(name)

    def _wrong(self, line: int, message: str) -> None:
        self.errors.append(Remark(line, ERROR, f"Line {line}: {message}."))


def parse(text: str) -> Parsed:
    """Read a text; what is wrong is in the ``errors`` of what this returns."""
    return _Parser().parse(text)


def check(text: str) -> list[Remark]:
    """Return what is wrong with a text and what is worth knowing, errors first."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        return [Remark(0, ERROR, f"The text is longer than {MAX_BYTES // 1024} KiB. Shorten it.")]
    if any(not (character.isprintable() or character in "\n\t") for character in text):
        return [Remark(0, ERROR, "The text has control characters, or is no UTF-8. Paste plain text.")]
    found = parse(text)
    if not (found.relations or found.errors):
        return [Remark(0, ERROR, "The text says nothing. Begin with [libdefaults] and default_realm.")]
    remarks = [*found.errors, *_refused(found), *_realms(found), *_settings(found), *_sections(found)]
    order = (ERROR, WARNING, NOTE)
    return sorted(remarks, key=lambda remark: (order.index(remark.level), remark.line))


def _refused(found: Parsed) -> Iterator[Remark]:
    """Find what would make Kerberos's library load code, wherever the text is read."""
    for line, name in found.sections:
        if name == "plugins":
            yield Remark(line, ERROR, f"Line {line}: [plugins] is refused: it loads code. Remove it.")
    for each in found.relations:
        loads = each.name == "plugin_base_dir" or "PKCS11:" in each.value.upper()
        if loads and each.path[0] != "plugins":
            yield Remark(
                each.line, ERROR, f"Line {each.line}: {each.name} is refused: it loads code. Remove it."
            )


def _realms(found: Parsed) -> Iterator[Remark]:
    default = found.values(LIBDEFAULTS, "default_realm")
    if not default:
        yield Remark(
            0, WARNING, "There is no default_realm in [libdefaults]. Java refuses to log in without it."
        )
    asks_dns = found.values(LIBDEFAULTS, "dns_lookup_kdc")
    by_dns = not asks_dns or asks_dns[0].lower() in _YES
    for realm in dict.fromkeys((*default[:1], *found.realms())):
        if not found.values(REALMS, realm, "kdc") and not by_dns:
            yield Remark(
                0,
                WARNING,
                f"The realm {realm} has no kdc in [realms], and dns_lookup_kdc is off: no KDC can be found.",
            )
        elif not found.values(REALMS, realm, "kdc"):
            yield Remark(0, NOTE, f"The realm {realm} has no kdc in [realms]: DNS is asked for it.")
        if realm != realm.upper():
            yield Remark(0, NOTE, f"The realm {realm} is not in capitals. Case matters, and most realms are.")


def _settings(found: Parsed) -> Iterator[Remark]:
    for each in found.relations:
        at = f"Line {each.line}: "
        if each.name == "allow_weak_crypto" and each.value.lower() in _YES:
            yield Remark(each.line, WARNING, f"{at}allow_weak_crypto lets tickets be broken. Remove it.")
        elif each.name in _ENCTYPES and (weak := _WEAK.search(each.value)):
            yield Remark(
                each.line, WARNING, f"{at}{weak[0]} in {each.name} is weak. Use aes256-cts and aes128-cts."
            )
        elif each.path == (LIBDEFAULTS,) and each.name in _FORCED:
            yield Remark(
                each.line,
                NOTE,
                f"{at}{each.name} is left out for jobs, which have a cache of their own and are told of a "
                "wrong clock.",
            )


def _sections(found: Parsed) -> Iterator[Remark]:
    for line, name in found.sections:
        if name in _OF_SERVERS:
            yield Remark(line, NOTE, f"Line {line}: [{name}] is for servers. Jobs have no use for it.")
        elif name not in _KNOWN and name != "plugins":
            yield Remark(line, WARNING, f"Line {line}: Kerberos knows no section [{name}].")


def for_run(text: str) -> str:
    """Return the text as a run gets it."""
    found = parse(text)
    here = [relation for relation in found.relations if relation.path == (LIBDEFAULTS,)]
    set_already = {relation.name for relation in here}
    dropped = {relation.line for relation in here if relation.name in _FORCED}
    added = {name: value for name, value in _FORCED.items() if value}
    added |= {name: value for name, value in _UNLESS_SET.items() if name not in set_already}
    news = [f" {name} = {value}" for name, value in added.items()]
    head = next((line for line, name in found.sections if name == LIBDEFAULTS), 0)
    lines = [] if head else [f"[{LIBDEFAULTS}]", *news, ""]
    for number, line in enumerate(text.split("\n"), 1):
        if number not in dropped:
            lines.append(line)
        if number == head:
            lines += news
    return "\n".join(lines)


def kdcs(text: str, realm: str) -> tuple[str, ...]:
    """Return the addresses of a realm's KDCs, none where DNS is asked."""
    return parse(text).values(REALMS, realm, "kdc")
