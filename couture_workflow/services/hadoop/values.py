"""The properties of a group as Hadoop's ``Configuration`` gives them: in its order, variables filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from couture_workflow.services.hadoop.documents import Document, Property

#: Files that Hadoop's clients load by themselves, in their order.
LOADED = ("core-site.xml", "hdfs-site.xml", "mapred-site.xml", "yarn-site.xml")

#: How often Hadoop fills in a variable of one value, and how long a value may become.
_SUBSTITUTIONS = 20
_LONGEST = 64 * 1024
_VARIABLE = re.compile(r"\$\{([^}$\s]+)\}")


class Properties(Mapping[str, str]):
    """Name -> value; a variable ``${other.property}`` stands filled in, one that is none of them as it is.

    :param opened: returns a value in the clear; called for the value that is asked for, not before.
    """

    def __init__(self, raw: Mapping[str, str], opened: Callable[[str], str] = str) -> None:
        self._raw, self._opened = raw, opened

    def __getitem__(self, name: str) -> str:
        text = self._opened(self._raw[name])
        for _ in range(_SUBSTITUTIONS):
            match = next((m for m in _VARIABLE.finditer(text) if m[1] in self._raw and m[1] != name), None)
            if match is None or len(text) > _LONGEST:
                break
            text = text[: match.start()] + self._opened(self._raw[match[1]]) + text[match.end() :]
        return text

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


def ordered(files: Iterable[str]) -> list[str]:
    """Return files in the order in which their properties count: those that Hadoop loads are the last."""
    return sorted(files, key=lambda name: (LOADED.index(name) if name in LOADED else -1, name))


def together(documents: Mapping[str, Document]) -> dict[str, tuple[str, Property]]:
    """Return name -> file and property that count: of two the later one, unless the first is final."""
    found: dict[str, tuple[str, Property]] = {}
    for file in ordered(documents):
        for name, each in documents[file].effective().items():
            present = found.get(name)
            if present is None or not present[1].final or present[0] not in LOADED:
                found[name] = (file, each)
    return found
