"""What there is of groups beside their files: the default, the keytab of each, in ``hadoop/groups.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import yaml

from couture_workflow.exceptions import CorruptError, InvalidError
from couture_workflow.services.texts import plain_yaml

FOLDER = "hadoop/"
PATH = f"{FOLDER}groups.yaml"
VERSION = 1


@dataclass(frozen=True)
class Index:
    """What ``groups.yaml`` holds.

    :param default: name of the default group, None for none that was chosen.
    :param keytabs: group -> name of its keytab, "" for none; each group that was made here is in it.
    """

    default: str | None = None
    keytabs: Mapping[str, str] = field(default_factory=dict)

    def with_group(self, name: str, keytab: str = "") -> Index:
        """Return it with a group more, which is the default if it is the first."""
        default = self.default if self.default in self.keytabs else None
        return Index(default or name, {**self.keytabs, name: keytab})

    def without_group(self, name: str) -> Index:
        """Return it without a group."""
        keytabs = {each: keytab for each, keytab in self.keytabs.items() if each != name}
        return Index(None if self.default == name else self.default, keytabs)

    def renamed(self, old: str, new: str) -> Index:
        """Return it with another name for a group."""
        keytabs = {new if each == old else each: keytab for each, keytab in self.keytabs.items()}
        keytabs.setdefault(new, "")
        return Index(new if self.default == old else self.default, keytabs)

    def merged(self, other: Index, *, replacing: bool) -> Index:
        """Return it with the groups of another one.

        :param replacing: where both say something else, the other one is right.
        """
        first, second = (other, self) if replacing else (self, other)
        keytabs = {
            name: first.keytabs.get(name) or second.keytabs.get(name) or ""
            for name in {**self.keytabs, **other.keytabs}
        }
        return Index(first.default or second.default, keytabs)

    def contradicts(self, other: Index) -> bool:
        """Tell whether both say something, and something else, about the default or a keytab."""
        defaults = self.default and other.default and self.default != other.default
        return bool(defaults) or any(
            keytab and other.keytabs.get(name) not in (None, "", keytab)
            for name, keytab in self.keytabs.items()
        )


def parse(content: bytes) -> Index:
    """Read ``groups.yaml``, or raise ``InvalidError``."""
    try:
        data = plain_yaml.load(content.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidError(f"{PATH} is no plain YAML: {' '.join(str(error).split())}. Correct it.") from error
    if not isinstance(data, Mapping) or data.get("version") != VERSION:
        raise InvalidError(f"{PATH} must be a mapping with version: {VERSION}. Correct it.")
    groups, default = data.get("groups") or {}, data.get("default")
    if not isinstance(groups, Mapping) or not all(
        isinstance(each, Mapping | None) for each in groups.values()
    ):
        raise InvalidError(f"{PATH}: groups must be a mapping of names. Correct it.")
    keytabs = {str(name): str((settings or {}).get("keytab") or "") for name, settings in groups.items()}
    return Index(str(default) if default else None, keytabs)


def stored(content: bytes) -> Index:
    """Read the index that is kept here, or raise ``CorruptError``."""
    try:
        return parse(content)
    except InvalidError as error:
        raise CorruptError(
            f"The configuration repository is damaged: {error} Or restore an earlier version.", path=PATH
        ) from error


def dump(index: Index) -> bytes:
    """Return the text of ``groups.yaml``."""
    groups = {name: {"keytab": keytab} if keytab else {} for name, keytab in sorted(index.keytabs.items())}
    data = {"version": VERSION, "default": index.default, "groups": groups}
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode()


def complete(index: Index, names: set[str]) -> Index:
    """Return it with the groups that have files alone, such as after an import; one of all is the default."""
    keytabs = {name: index.keytabs.get(name, "") for name in sorted({*index.keytabs, *names})}
    default = index.default if index.default in keytabs else next(iter(keytabs), None)
    return replace(index, default=default, keytabs=keytabs)
