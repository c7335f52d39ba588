"""Export and import of configurations: the Spark configuration, Hadoop's files, code bricks; never secrets.

Secrets are left out of an export and named in its manifest. An import leaves those that are here as they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from couture_workflow.exceptions import ArchiveError, CoutureError, InvalidError
from couture_workflow.permissions import CODE_BRICKS, SPARK_CONFIGURATION
from couture_workflow.services.archives import secrets, trees
from couture_workflow.services.archives.plans import (
    Item,
    Missing,
    OnConflict,
    Plan,
    Prepared,
    Readable,
    action,
)
from couture_workflow.services.archives.spark import read_settings
from couture_workflow.services.bricks import document as brick_document
from couture_workflow.services.bricks import rules as brick_rules
from couture_workflow.services.git import remote
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark import document as spark_document
from couture_workflow.services.spark.document import PATH, Document, Sealed
from couture_workflow.services.spark.rules import errors, validate
from couture_workflow.store import archives
from couture_workflow.store.archive_reader import Archive
from couture_workflow.store.archives import Entry, Export
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote

FOLDER = "configs"

#: Settings of this installation alone: no archive has them, and an import leaves them as they are.
HERE_ALONE = (remote.PATH,)

_HADOOP = re.compile(r"hadoop/[^/]+/[^/]+\.xml")
_BRICK = re.compile(r"bricks/([^/]+)\.yaml")
#: Names of files with Spark settings, in an archive of somebody else.
_SPARK = (PATH, "spark.yml", "spark-defaults.conf")


def export(store: Store, *, readable: Readable) -> Export:
    """Return the newest version as an archive.

    :param readable: what it refuses is not in it.
    """
    entries, left_out = trees.entries(store.config, store.config.head(), folder=f"{FOLDER}/")
    kept = []
    for entry in entries:
        path = entry.path.removeprefix(f"{FOLDER}/")
        if path in HERE_ALONE or not readable(_resource(path)):
            continue
        shown, names = _without_secrets(path, entry)
        if names:
            left_out[entry.path] = names
        kept.append(shown)
    return archives.export(FOLDER, kept, left_out=left_out)


def _without_secrets(path: str, entry: Entry) -> tuple[Entry, tuple[str, ...]]:
    if path != PATH and not _HADOOP.fullmatch(path):
        return entry, ()
    content = b"".join(entry.read())
    if path == PATH:
        document = spark_document.parse(content, commit=None)
        public = {name: value for name, value in document.configurations.items() if isinstance(value, str)}
        names = tuple(document.configurations.keys() - public.keys())
        content = spark_document.dump(replace(document, configurations=public))
    else:
        content, names = secrets.without_secrets(content)
    return Entry(entry.path, len(content), hashlib.sha256(content).hexdigest(), lambda: (content,)), names


def _resource(path: str) -> str:
    return CODE_BRICKS if path.startswith("bricks/") else SPARK_CONFIGURATION


@dataclass
class _Planning:
    """An import of configurations, while it is planned."""

    store: Store
    base: str | None
    on_conflict: OnConflict
    left_out: Mapping[str, Sequence[str]]
    items: list[Item] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changes: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.present = trees.present(self.store.config, self.base)

    def add(self, member: str, path: str, content: bytes) -> None:
        """Plan one file."""
        if path in HERE_ALONE:
            self.notes.append(f"{member} is left out: the git remote of each installation is its own.")
        elif path in _SPARK:
            self._add_spark(member, path, content)
        elif _HADOOP.fullmatch(path):
            self._add_hadoop(member, path, content)
        elif brick := _BRICK.fullmatch(path):
            _check_brick(brick[1], member, content)
            self._add(path, content)
        else:
            raise ArchiveError(
                f"{quote(member)} is no configuration: spark.yaml, spark-defaults.conf, "
                "hadoop/<group>/<name>.xml and bricks/<name>.yaml are. Leave it out.",
                member=member,
            )

    def _add(self, path: str, content: bytes, *, same: bool | None = None, note: str = "") -> None:
        before = self.present[path].blob if path in self.present else ""
        if same is None:
            same = before == trees.blob_id(content)
        chosen = action(before, same=same, on_conflict=self.on_conflict)
        self.items.append(Item(path, chosen, len(content), _resource(path), before=before, note=note))
        if chosen in ("create", "update"):
            self.changes[path] = content

    def _add_hadoop(self, member: str, path: str, content: bytes) -> None:
        secrets.check_xml(content, member)
        present = self.store.config.read(path, commit=self.base) if path in self.present else b""
        content, wanting = secrets.with_secrets(content, present)
        self._note_secrets(path, wanting)
        self._add(path, content)

    def _add_spark(self, member: str, path: str, content: bytes) -> None:
        present = self._present_spark()
        document, dropped = read_settings(path, content, member=member)
        kept = {
            name: value
            for name, value in present.configurations.items()
            if isinstance(value, Sealed) and name not in document.configurations
        }
        left_out = {*dropped, *self.left_out.get(member, ())}
        self._note_secrets(PATH, sorted(left_out - kept.keys() - document.configurations.keys()))
        whole = replace(document, configurations={**document.configurations, **kept})
        self._check_spark(whole, member)
        sealed = spark_configuration.seal(self.store, whole, before=present)
        same = PATH in self.present and not spark_document.changes(present, sealed)
        note = f"{len(kept)} secret(s) stay as they are here." if kept else ""
        self._add(PATH, spark_document.dump(sealed), same=same, note=note)

    def _present_spark(self) -> Document:
        if PATH not in self.present:
            return spark_document.DEFAULT
        return spark_configuration.read(self.store, commit=self.base)

    def _check_spark(self, document: Document, member: str) -> None:
        unknown = {
            f"{section}.{reference}": reference
            for section, references in (("jars", document.jars), ("py_files", document.py_files))
            for reference in references
            if not self._exists(reference)
        }
        for problem in errors(validate(document, self.store)):
            if problem.field in unknown:
                self.missing.append(Missing(PATH, unknown[problem.field], problem.message))
            else:
                raise InvalidError(f"{member}, {problem.field}: {problem.message}", field=problem.field)

    def _exists(self, reference: str) -> bool:
        try:
            self.store.dependencies.resolve(reference)
        except CoutureError:
            return False
        return True

    def _note_secrets(self, path: str, names: Sequence[str]) -> None:
        self.notes += [
            f"{path}: the value of {name} is a secret, which is neither in the archive nor here. Enter it "
            "after the import."
            for name in names
        ]


def _check_brick(name: str, member: str, content: bytes) -> None:
    try:
        brick_rules.check(brick_document.parse(name, content.decode("utf-8", "replace")))
    except InvalidError as error:
        raise ArchiveError(f"{quote(member)} is no sound brick: {error}", member=member) from error


def prepare(
    store: Store, archive: Archive, contents: Mapping[str, bytes], *, on_conflict: OnConflict
) -> Prepared:
    """Plan an import.

    :param contents: the archive's members.
    """
    left_out = archive.manifest.left_out if archive.manifest else {}
    planning = _Planning(store, store.config.head(), on_conflict, left_out)
    paths = _places(contents)
    settings = [member for member, path in paths.items() if path in _SPARK]
    if len(settings) > 1:
        raise ArchiveError(
            f"The archive holds Spark settings more than once: {', '.join(sorted(settings))}. Leave one in.",
            member=settings[0],
        )
    for member, path in sorted(paths.items(), key=lambda pair: pair[1]):
        planning.add(member, path, contents[member])
    plan = Plan(
        FOLDER,
        on_conflict,
        tuple(planning.items),
        missing=tuple(planning.missing),
        ignored=archive.ignored,
        notes=tuple(planning.notes),
    )
    return Prepared(plan, planning.changes, planning.base)


def _places(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Return member -> path in the repository: one folder around all is taken off."""
    paths = {path: path for path in contents}
    tops = {path.partition("/")[0] for path in contents}
    top = tops.pop() if len(tops) == 1 else ""
    return paths if top in ("", "hadoop", "bricks") else trees.without_folder(paths, top)
