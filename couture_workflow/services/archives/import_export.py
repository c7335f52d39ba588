"""Export and import of what a workbench holds, in three nouns: ``configs``, ``dependencies`` and ``dags``.

An import is planned first, as data; the plan is applied all or nothing, from the state that it was made from.
The modules ``archive_*`` have what is particular to each noun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from couture_workflow import settings
from couture_workflow.exceptions import ArchiveError, InvalidError, NotFoundError
from couture_workflow.permissions import (
    CODE_ARTIFACTS,
    CODE_BRICKS,
    DAG_FILES,
    EDA,
    HADOOP_CONFIGURATION,
    KERBEROS_CONFIGURATION,
    LDAP_CONFIGURATION,
    SPARK_CONFIGURATION,
    SPARK_DEPENDENCIES,
)
from couture_workflow.services.archives import configs, dags, trees
from couture_workflow.services.archives import files as archive_files
from couture_workflow.services.archives.plans import (
    ON_CONFLICT,
    Applied,
    OnConflict,
    Plan,
    Prepared,
    Readable,
)
from couture_workflow.services.eda import document as eda_document
from couture_workflow.services.gate.problems import Known
from couture_workflow.store import archive_reader, archives
from couture_workflow.store.archive_reader import Archive, Limits
from couture_workflow.store.archives import Export, Manifest, write
from couture_workflow.store.home import Store

__all__ = [
    "NOUNS",
    "ON_CONFLICT",
    "Applied",
    "Holding",
    "Import",
    "Noun",
    "OnConflict",
    "Plan",
    "apply",
    "check_choice",
    "check_noun",
    "export",
    "holdings",
    "load",
    "plan",
    "write",
]

Noun = Literal["configs", "dependencies", "dags"]

#: Noun -> resources in ``permissions`` that guard its parts; the first guards the noun as a whole.
NOUNS: dict[Noun, tuple[str, ...]] = {
    "configs": (
        SPARK_CONFIGURATION,
        CODE_BRICKS,
        HADOOP_CONFIGURATION,
        KERBEROS_CONFIGURATION,
        LDAP_CONFIGURATION,
        EDA,
    ),
    "dependencies": (SPARK_DEPENDENCIES, CODE_ARTIFACTS),
    "dags": (DAG_FILES,),
}

#: Noun that is kept in git -> kind of file -> what its paths begin with.
NOUN_PARTS: dict[str, dict[str, str]] = {
    "dags": {"DAG files": ""},
    "configs": {
        "Hadoop files": "hadoop/",
        "Code bricks": "bricks/",
        "Kerberos": "krb5.conf",
        "LDAP settings": "ldap.yaml",
        "Data sources": eda_document.FOLDER,
        "Spark settings": "",
    },
}

#: Part of the configurations -> what guards it, where that is not the Spark configuration.
_PART_RESOURCES = {
    "Code bricks": CODE_BRICKS,
    "Hadoop files": HADOOP_CONFIGURATION,
    "Kerberos": KERBEROS_CONFIGURATION,
    "LDAP settings": LDAP_CONFIGURATION,
    "Data sources": EDA,
}

#: Saves DAG files and returns the id of the commit: is given the changes and the commit that they start from.
SaveDags = Callable[[Mapping[str, bytes], str | None], str]


def check_noun(noun: str) -> Noun:
    """Return the noun or raise ``NotFoundError``."""
    for known in get_args(Noun):
        if noun == known:
            return known  # type: ignore[no-any-return]
    raise NotFoundError(f"There is no {noun!r} to export or import. Choose one of {', '.join(NOUNS)}.")


def check_choice(on_conflict: str) -> OnConflict:
    """Return the choice or raise ``InvalidError``."""
    for known in ON_CONFLICT:
        if on_conflict == known:
            return known
    raise InvalidError(
        f"on_conflict is {on_conflict!r}. Choose one of {', '.join(ON_CONFLICT)}.", field="on_conflict"
    )


def limits(noun: Noun) -> Limits:
    """Return what an archive of a noun may be at most."""
    members, ratio = settings.max_archive_members(), settings.max_archive_ratio()
    if noun == "dependencies":
        return Limits(members, settings.max_archive_size(), ratio)
    return Limits(members, settings.max_archive_text_size(), ratio, "max_archive_text_size")


def export(store: Store, noun: Noun, *, readable: Readable = lambda _resource: True) -> Export:
    """Return the archive of a noun, to be sent by ``write``.

    :param readable: tells whether the caller may read a resource; what it may not is not in the archive.
    """
    if noun == "configs":
        return configs.export(store, readable=readable)
    if noun == "dependencies":
        return archive_files.export(store, readable=readable)
    return dags.export(store)


@dataclass(frozen=True)
class Holding:
    """What there is of one kind.

    :param size: bytes.
    """

    what: str
    files: int
    size: int


def holdings(store: Store, noun: Noun, *, readable: Readable) -> list[Holding]:
    """Return what an export would hold, without reading it."""
    if noun == "dependencies":
        kinds = [kind for kind in archive_files.KINDS.values() if readable(kind.resource)]
        stored = [(kind.resource, kind.files(store).list()) for kind in kinds]
        return [Holding(what, len(files), sum(file.size for file in files)) for what, files in stored]
    repository = store.dags if noun == "dags" else store.config
    entries = trees.present(repository, repository.head()).values()
    groups: dict[str, list[int]] = {what: [] for what in NOUN_PARTS[noun]}
    for entry in entries:
        if noun == "configs" and configs.is_here_alone(entry.path):
            continue
        what = next(name for name, prefix in NOUN_PARTS[noun].items() if entry.path.startswith(prefix))
        if noun == "dags" or readable(_PART_RESOURCES.get(what, SPARK_CONFIGURATION)):
            groups[what].append(entry.size)
    return [Holding(what, len(sizes), sum(sizes)) for what, sizes in groups.items()]


@dataclass(frozen=True)
class Import:
    """An archive that was read and found sound.

    :param path: where it lies.
    :param contents: its members, for nouns that are kept in git.
    :param warnings: member -> what may be wrong with it.
    """

    noun: Noun
    path: Path
    archive: Archive
    contents: Mapping[str, bytes]
    warnings: Mapping[str, str]


def load(store: Store, noun: Noun, path: Path) -> Import:
    """Check an archive from start to end; nothing is changed by it."""
    with path.open("rb") as source:
        if noun == "dependencies":
            archive, warnings = archive_files.scan(store, source, limits=limits(noun))
            contents: dict[str, bytes] = {}
        else:
            contents, warnings = {}, {}

            def visit(member: str, content: Iterator[bytes]) -> None:
                contents[member] = b"".join(content)

            archive = archive_reader.read(source, limits=limits(noun), visit=visit)
    if archive.manifest:
        _check_manifest(archive.manifest, noun)
    return Import(noun, path, archive, contents, warnings)


def _check_manifest(manifest: Manifest, noun: Noun) -> None:
    if manifest.noun != noun:
        raise ArchiveError(
            f"This is an archive of {manifest.noun}, not of {noun}. Import it as {manifest.noun}.",
            member=archives.MANIFEST,
        )


def plan(
    store: Store,
    source: Import,
    *,
    on_conflict: OnConflict = "replace",
    upgrade: bool = False,
    known: Known | None = None,
    gate: bool = True,
) -> Prepared:
    """Return what the import would do.

    :param upgrade: rewrite DAG files that were written for an older Airflow.
    :param known: what is known of the Airflow that DAGs are meant for.
    :param gate: ask the save gate about DAGs.
    """
    if upgrade and source.noun != "dags":
        raise InvalidError(f"Only DAGs can be upgraded, not {source.noun}.", field="upgrade")
    if source.noun == "configs":
        return configs.prepare(store, source.archive, source.contents, on_conflict=on_conflict)
    if source.noun == "dependencies":
        return archive_files.prepare(store, source.archive, source.warnings, on_conflict=on_conflict)
    prepared = dags.prepare(store, source.archive, source.contents, on_conflict=on_conflict, upgraded=upgrade)
    return dags.checked(store, prepared, known=known) if gate else prepared


def apply(
    store: Store, source: Import, prepared: Prepared, *, user: str, message: str, save_dags: SaveDags
) -> Applied:
    """Carry out a plan, all or nothing; ``ConflictError`` if what it is about changed since.

    :param message: why, for the commit; empty: how many files.
    """
    prepared.plan.refuse()
    if not prepared.plan.writes:
        return Applied(prepared.plan)
    if source.noun == "dependencies":
        with source.path.open("rb") as content:
            archive_files.apply(
                store, content, source.archive, prepared.plan, limits=limits(source.noun), user=user
            )
        return Applied(prepared.plan)
    if source.noun == "dags":
        return Applied(prepared.plan, save_dags(prepared.changes, prepared.base))
    commit = store.config.save(
        dict(prepared.changes),
        author=user,
        message=message.strip() or default_message(prepared.plan),
        base=prepared.base,
    )
    return Applied(prepared.plan, commit.id)


def default_message(plan: Plan) -> str:
    """Return a message for an import that has none."""
    written = plan.writes
    return f"Import {written[0].path}" if len(written) == 1 else f"Import {len(written)} files"
