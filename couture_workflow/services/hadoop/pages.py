"""What is shown of a group: its properties as a table with search, secrets masked, and warnings that help."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from couture_workflow.services.hadoop import documents, groups, secrets, values
from couture_workflow.services.hadoop.documents import Document
from couture_workflow.services.hadoop.groups import DEFAULT_FS, Group
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote

CORE = "core-site.xml"

#: Files that a client of Hadoop, Hive or HBase looks for, and whether their root is ``configuration``.
_KNOWN = frozenset(
    {
        *values.LOADED,
        "capacity-scheduler.xml",
        "hadoop-policy.xml",
        "hbase-policy.xml",
        "hbase-site.xml",
        "hive-site.xml",
        "hivemetastore-site.xml",
        "hiveserver2-site.xml",
        "httpfs-site.xml",
        "kms-acls.xml",
        "kms-site.xml",
        "node-resources.xml",
        "ozone-site.xml",
        "ranger-hdfs-security.xml",
        "ranger-hive-security.xml",
        "resource-types.xml",
        "ssl-client.xml",
        "ssl-server.xml",
        "tez-site.xml",
    }
)
_OTHER_ROOT = frozenset({"fair-scheduler.xml", "mapred-queues.xml"})
#: Warnings of one kind that are told one by one; the rest are counted.
_MOST_TOLD = 20


@dataclass(frozen=True)
class Row:
    """One property of one file, secrets masked.

    :param counts: whether Hadoop takes this one; another file has the same name else.
    """

    name: str
    value: str
    final: bool
    description: str
    file: str
    line: int
    counts: bool


@dataclass(frozen=True)
class Shown:
    """A group as it is shown.

    :param warnings: what is likely to be wrong with it, and the remedy.
    :param is_kerberized: whether the cluster wants a Kerberos ticket.
    """

    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    default_fs: str
    is_kerberized: bool


def show(store: Store, name: str, *, search: str = "") -> Shown:
    """Return what is shown of a group.

    :param search: words that a property must have in its name, value, description or file.
    """
    found, refused = groups.read(groups.contents(store, name))
    counting = values.together(found)
    words = search.casefold().split()
    rows = [row for row in _rows(found, counting) if _has(row, words)]
    masked = {each: secrets.shown(each, counted.value) for each, (_, counted) in counting.items()}
    filled = values.Properties(masked)
    return Shown(
        tuple(rows),
        (*refused.values(), *_warnings(found, counting, filled)),
        filled.get(DEFAULT_FS, ""),
        groups.is_kerberized(filled),
    )


@dataclass(frozen=True)
class Overview:
    """A group in the list of all.

    :param warnings: how many there are.
    """

    group: Group
    default_fs: str
    is_kerberized: bool
    warnings: int


def overview(store: Store) -> list[Overview]:
    """Return all groups by name, with the little that the list shows of each."""
    found = []
    for group in groups.listed(store):
        shown = show(store, group.name)
        found.append(Overview(group, shown.default_fs, shown.is_kerberized, len(shown.warnings)))
    return found


def about(name: str, root: str) -> list[str]:
    """Return warnings about a name that no client looks for, and about the outermost element of a file."""
    told = []
    if name not in _KNOWN and name not in _OTHER_ROOT:
        told.append(
            f"{quote(name)} is no name that Hadoop, Hive or HBase looks for, so nothing may ever read it. "
            f"Hadoop's clients load {', '.join(values.LOADED)}."
        )
    if root != documents.ROOT and name not in _OTHER_ROOT:
        told.append(
            f"The outermost element of {quote(name)} is <{root}> and not <{documents.ROOT}>: Hadoop would "
            "not take it for a configuration."
        )
    return told


def _rows(found: Mapping[str, Document], counting: Mapping[str, tuple[str, documents.Property]]) -> list[Row]:
    rows = [
        Row(
            each.name,
            secrets.shown(each.name, each.value),
            each.final,
            each.description,
            file,
            each.line,
            counting[each.name] == (file, each),
        )
        for file, document in found.items()
        for each in document.properties
    ]
    return sorted(rows, key=lambda row: (row.name.casefold(), not row.counts, row.file, row.line))


def _has(row: Row, words: Iterable[str]) -> bool:
    text = " ".join((row.name, row.value, row.description, row.file)).casefold()
    return all(word in text for word in words)


def _warnings(
    found: Mapping[str, Document],
    counting: Mapping[str, tuple[str, documents.Property]],
    filled: Mapping[str, str],
) -> list[str]:
    told = [warning for name, document in found.items() for warning in about(name, document.root)]
    told += _about_core(found, filled)
    told += _some([f"{name}, line {r.line}: {r.message}" for name, doc in found.items() for r in doc.remarks])
    told += _some(_contradictions(found, counting))
    return told


def _about_core(found: Mapping[str, Document], filled: Mapping[str, str]) -> list[str]:
    if CORE not in found:
        return [
            f"There is no {CORE}: Hadoop's clients end with “{CORE} not found”, and Spark does not know the "
            "file system. Upload the one of the cluster."
        ]
    if not filled.get(DEFAULT_FS):
        old = " (fs.default.name is its old name)" if filled.get("fs.default.name") else ""
        return [
            f"{DEFAULT_FS} is missing{old}: paths without a scheme mean files of the machine of the "
            "job. Set it "
            f"in {CORE}, such as hdfs://namenode.example.org:8020."
        ]
    return []


def _contradictions(
    found: Mapping[str, Document], counting: Mapping[str, tuple[str, documents.Property]]
) -> list[str]:
    others: dict[str, set[str]] = defaultdict(set)
    for file, document in found.items():
        for each in document.properties:
            if each.value != counting[each.name][1].value:
                others[each.name].add(file)
    told = []
    for name, files in sorted(others.items()):
        file = counting[name][0]
        how = "more than once, differently," if files == {file} else "differently"
        where = ", ".join(sorted({*files, file}))
        told.append(f"{name} is defined {how} in {where}. What counts is one of {file}.")
    return told


def _some(messages: list[str]) -> list[str]:
    """Return messages, the first ones alone if there are many."""
    more = len(messages) - _MOST_TOLD
    return (
        messages if more <= 0 else [*messages[:_MOST_TOLD], f"{more} more of this kind are not listed here."]
    )
