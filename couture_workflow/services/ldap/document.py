"""The settings as they stand on disk: ``ldap.yaml`` in the configuration repository, without the password."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from couture_workflow.exceptions import CorruptError, InvalidError
from couture_workflow.services.ldap.fields import BY_NAME, CHOICES, FIELDS, LDAP, PASSWORD, Field, Value
from couture_workflow.services.texts import plain_yaml

PATH = "ldap.yaml"
VERSION = 1
#: Stands for the password; sent back, it means "leave it as it is".
MASK = "******"

#: Characters of one value; rows of the mapping, names of a list.
_LONGEST, _MOST = 2000, 500
_MARK = "password_changed"


@dataclass(frozen=True)
class Document:
    """One version of the settings.

    :param values: of every setting but the password.
    :param password_changed: when the password was saved, "" if there was none.
    :param commit: the version in the repository, None if nothing was ever saved.
    """

    values: Mapping[str, Value] = field(
        default_factory=lambda: {each.name: each.default for each in FIELDS if each.kind != "secret"}
    )
    password_changed: str = ""
    commit: str | None = None

    @property
    def is_ldap(self) -> bool:
        """Tell whether people are to log in by the directory."""
        return self.values["AUTH_TYPE"] == LDAP

    def text(self, name: str) -> str:
        """Return the value of a setting that is a text."""
        return str(self.values[name])

    def flag(self, name: str) -> bool:
        """Return the value of a setting that is on or off."""
        return bool(self.values[name])

    def names(self, name: str) -> tuple[str, ...]:
        """Return the value of a setting that is a list."""
        value = self.values[name]
        return value if isinstance(value, tuple) else ()

    @property
    def mapping(self) -> Mapping[str, tuple[str, ...]]:
        """Return which roles a group gives."""
        value = self.values["AUTH_ROLES_MAPPING"]
        return value if isinstance(value, Mapping) else {}

    def json(self) -> dict[str, Any]:
        """Return the values as plain data."""
        return {name: _plain(value) for name, value in self.values.items()}


DEFAULT = Document()


@dataclass(frozen=True)
class Change:
    """One difference between two versions, in the form of the other pages.

    :param kind: "added", "removed" or "changed".
    """

    section: str
    name: str
    kind: str
    old: str = ""
    new: str = ""


def normal(data: Mapping[str, Any]) -> dict[str, Value]:
    """Return settings that somebody sent, typed, in their normal form, or raise ``InvalidError``.

    What is left out has its default. The password is none of them.
    """
    unknown = sorted(str(name) for name in data if name not in BY_NAME)
    if unknown:
        raise InvalidError(
            f"There is no setting {unknown[0]!r}. Take the names from the page or from docs/ldap.md.",
            field=unknown[0],
        )
    found = {each.name: each for each in FIELDS if each.kind != "secret"}
    return {name: _normal(each, data[name]) if name in data else each.default for name, each in found.items()}


def _normal(setting: Field, value: Any) -> Value:
    match setting.kind:
        case "flag":
            return _flag(setting, value)
        case "number":
            return _number(setting, value)
        case "names":
            return _names(setting, value)
        case "mapping":
            return _mapping(setting, value)
        case "choice":
            return _choice(setting, value)
        case _:
            return _text(setting, value)


def _text(setting: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidError(f"{setting.name} must be a text.", field=setting.name)
    text = value.strip()
    if len(text) > _LONGEST or not text.isprintable():
        raise InvalidError(
            f"{setting.name} must be one line of at most {_LONGEST} characters without control characters.",
            field=setting.name,
        )
    return text


def _choice(setting: Field, value: Any) -> str:
    # As Flask-AppBuilder's own files write it, too.
    known = {
        **{each: each for each in CHOICES},
        "1": "database",
        "2": "ldap",
        "auth_db": "database",
        "auth_ldap": "ldap",
    }
    if isinstance(value, bool) or (found := known.get(str(value).strip().lower())) is None:
        raise InvalidError(f"{setting.name} must be {' or '.join(CHOICES)}.", field=setting.name)
    return found


def _flag(setting: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidError(f"{setting.name} must be true or false.", field=setting.name)
    return value


def _number(setting: Field, value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 6):
        raise InvalidError(f"{setting.name} must be a whole number.", field=setting.name)
    return int(text)


def _names(setting: Field, value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or len(parts) > _MOST:
        raise InvalidError(f"{setting.name} must be a list of names.", field=setting.name)
    return tuple(dict.fromkeys(text for part in parts if (text := _text(setting, part))))


def _mapping(setting: Field, value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping) or len(value) > _MOST:
        raise InvalidError(
            f"{setting.name} must be an object of at most {_MOST} groups, each with a list of roles.",
            field=setting.name,
        )
    found: dict[str, tuple[str, ...]] = {}
    for group, roles in value.items():
        name = _text(setting, group)
        listed = _names(setting, roles)
        if not name or not listed:
            raise InvalidError(
                f"{setting.name}: a row needs both a group and at least one role. Fill it in or remove it.",
                field=setting.name,
            )
        found[name] = listed
    return found


def parse(content: bytes, *, commit: str | None) -> Document:
    """Read the text of ``ldap.yaml``."""
    try:
        values, mark = read(content)
    except InvalidError as error:
        raise CorruptError(
            f"{PATH} in the configuration repository is damaged: {error} Restore an earlier version, or type "
            "couture-workflow auth database to begin with local log-in.",
            path=PATH,
        ) from error
    return Document(values, mark, commit)


def read(content: bytes) -> tuple[dict[str, Value], str]:
    """Return the values of a text and when its password was saved, or raise ``InvalidError``."""
    try:
        data = plain_yaml.load(content.decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise InvalidError(f"{PATH} is no YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise InvalidError(f"{PATH} is no list of settings with their values.")
    if data.pop("version", VERSION) != VERSION:
        raise InvalidError(f"{PATH} is of another version than {VERSION}, which this release reads.")
    mark = data.pop(_MARK, "")
    data.pop(PASSWORD, None)  # a file that was written by hand may have it; it is never taken from there
    return normal(data), str(mark)


def dump(document: Document, *, with_mark: bool = True) -> bytes:
    """Return the text of ``ldap.yaml``.

    :param with_mark: also tell when the password was saved, so that a new one is a change.
    """
    data: dict[str, Any] = {"version": VERSION, **document.json()}
    if with_mark and document.password_changed:
        data[_MARK] = document.password_changed
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000).encode()


def changes(old: Document, new: Document) -> list[Change]:
    """Return what differs between two versions, one line for each setting and each group."""
    found: list[Change] = []
    for setting in FIELDS:
        if setting.kind == "secret":
            before, after = old.password_changed, new.password_changed
            if before != after:
                found.append(_change(setting.name, MASK if before else "", MASK if after else ""))
        elif setting.kind == "mapping":
            found += _changes_of_mapping(setting.name, old.mapping, new.mapping)
        elif old.values[setting.name] != new.values[setting.name]:
            found.append(
                _change(setting.name, shown(old.values[setting.name]), shown(new.values[setting.name]))
            )
    return found


def _changes_of_mapping(
    name: str, old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]
) -> Iterable[Change]:
    for group in dict.fromkeys([*old, *new]):
        if old.get(group) != new.get(group):
            yield _change(f"{name}: {group}", shown(old.get(group, ())), shown(new.get(group, ())))


def _change(name: str, old: str, new: str) -> Change:
    kind = "changed" if old and new else "added" if new else "removed"
    return Change("", name, kind, old, new)


def shown(value: Value) -> str:
    """Return a value in words."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return "; ".join(f"{group}: {', '.join(roles)}" for group, roles in value.items())
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _plain(value: Value) -> Any:
    if isinstance(value, Mapping):
        return {group: list(roles) for group, roles in value.items()}
    return list(value) if isinstance(value, tuple) else value
