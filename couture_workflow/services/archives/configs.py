"""Export and import of configurations: Spark's, Hadoop's files, krb5.conf, bricks, sources; never secrets.

Secrets and keytabs are left out of an export and named in its manifest. An import leaves those that are
here as they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from couture_workflow.exceptions import ArchiveError, CoutureError, InvalidError, TooLargeError
from couture_workflow.permissions import (
    CODE_BRICKS,
    EDA,
    HADOOP_CONFIGURATION,
    KERBEROS_CONFIGURATION,
    LDAP_CONFIGURATION,
    SPARK_CONFIGURATION,
)
from couture_workflow.services.archives import ldap as archived_ldap
from couture_workflow.services.archives import trees
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
from couture_workflow.services.eda import document as eda_document
from couture_workflow.services.git import remote
from couture_workflow.services.hadoop import documents as hadoop_documents
from couture_workflow.services.hadoop import files as hadoop_files
from couture_workflow.services.hadoop import groups as hadoop_groups
from couture_workflow.services.hadoop import index as hadoop_index
from couture_workflow.services.hadoop import secrets as hadoop_secrets
from couture_workflow.services.kerberos import configuration as kerberos_configuration
from couture_workflow.services.kerberos import keytabs
from couture_workflow.services.ldap.document import PATH as LDAP
from couture_workflow.services.mail import document as mail_document
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

#: Settings of this installation alone, by file or folder: no archive has them, an import leaves them alone.
_HERE_ALONE = {
    remote.PATH: "git remote",
    mail_document.PATH: "mail server",
    "eda-schedules/": "schedule of a source",
    "models/": "text of a trained model",
}

_HADOOP = re.compile(r"hadoop/([^/]+)/([^/]+\.xml)")
#: Where the manifest names the keytabs, which no archive holds.
_KEYTABS = "keytabs/"
_BRICK = re.compile(r"bricks/([^/]+)\.yaml")
#: Names of files with Spark settings, in an archive of somebody else.
_SPARK = (PATH, "spark.yml", "spark-defaults.conf")


def is_here_alone(path: str) -> bool:
    """Tell whether a file of the configurations is this installation's alone."""
    return bool(_here_alone(path))


def _here_alone(path: str) -> str:
    """Return what a file is that is this installation's alone, "" for any other."""
    folder, slash, _ = path.partition("/")
    return _HERE_ALONE.get(folder + slash, "")


def export(store: Store, *, readable: Readable) -> Export:
    """Return the newest version as an archive.

    :param readable: what it refuses is not in it.
    """
    entries, left_out = trees.entries(store.config, store.config.head(), folder=f"{FOLDER}/")
    kept = []
    for entry in entries:
        path = entry.path.removeprefix(f"{FOLDER}/")
        if is_here_alone(path) or not readable(_resource(path)):
            continue
        shown, names = _without_secrets(path, entry)
        if names:
            left_out[entry.path] = names
        kept.append(shown)
    if readable(KERBEROS_CONFIGURATION):
        for keytab in keytabs.listed(store):
            left_out[f"{FOLDER}/{_KEYTABS}{keytab.name}"] = (keytab.principal,)
    return archives.export(FOLDER, kept, left_out=left_out)


def _without_secrets(path: str, entry: Entry) -> tuple[Entry, tuple[str, ...]]:
    if path not in (PATH, LDAP) and not _HADOOP.fullmatch(path):
        return entry, ()
    content = b"".join(entry.read())
    if path == PATH:
        document = spark_document.parse(content, commit=None)
        public = {name: value for name, value in document.configurations.items() if isinstance(value, str)}
        names = tuple(document.configurations.keys() - public.keys())
        content = spark_document.dump(replace(document, configurations=public))
    elif path == LDAP:
        content, names = archived_ldap.without_password(content)
    else:
        content, names = hadoop_secrets.without_secrets(content)
    return Entry(entry.path, len(content), hashlib.sha256(content).hexdigest(), lambda: (content,)), names


def _resource(path: str) -> str:
    if path.startswith(hadoop_index.FOLDER):
        return HADOOP_CONFIGURATION
    if path == kerberos_configuration.PATH:
        return KERBEROS_CONFIGURATION
    if path == LDAP:
        return LDAP_CONFIGURATION
    if path.startswith(eda_document.FOLDER):
        return EDA
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
        if what := _here_alone(path):
            self.notes.append(f"{member} is left out: the {what} of each installation is its own.")
        elif path in _SPARK:
            self._add_spark(member, path, content)
        elif file := _HADOOP.fullmatch(path):
            self._add_hadoop(member, path, content, group=file[1], name=file[2])
        elif path == hadoop_index.PATH:
            self._add_hadoop_index(member, content)
        elif path == kerberos_configuration.PATH:
            self._add_kerberos(member, path, content)
        elif path == LDAP:
            self._add_ldap(member, content)
        elif brick := _BRICK.fullmatch(path):
            _check_brick(brick[1], member, content)
            self._add(path, content)
        elif source := eda_document.name_of(path):
            self._add_source(source, member, path, content)
        else:
            raise ArchiveError(
                f"{quote(member)} is no configuration: spark.yaml, spark-defaults.conf, ldap.yaml, "
                "hadoop/<group>/<name>.xml, hadoop/groups.yaml, krb5.conf, bricks/<name>.yaml and "
                "eda/<name>.yaml are. Leave it out.",
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

    def _add_hadoop(self, member: str, path: str, content: bytes, *, group: str, name: str) -> None:
        _check_hadoop(member, content, group=group, name=name)
        present = self.store.config.read(path, commit=self.base) if path in self.present else b""
        filled, wanting = hadoop_secrets.with_secrets(hadoop_documents.without_mark(content), present)
        self._note_secrets(path, wanting)
        sealed = hadoop_secrets.sealed(self.store.secrets, filled, present)
        self._add(path, sealed, same=path in self.present and filled == present)

    def _add_hadoop_index(self, member: str, content: bytes) -> None:
        """Plan the default group and the keytab of each: what the archive says joins what is here."""
        path = hadoop_index.PATH
        try:
            theirs = hadoop_index.parse(content)
            for group in theirs.keytabs:
                hadoop_groups.check_group(group)
        except InvalidError as error:
            raise ArchiveError(f"{quote(member)} is refused: {error}", member=member) from error
        ours = hadoop_groups.snapshot(self.store, commit=self.base).index if self.base else theirs
        replacing = self.on_conflict == "replace"
        merged = ours.merged(theirs, replacing=replacing)
        self._note_keytabs_of_groups(theirs)
        before = self.store.config.read(path, commit=self.base) if path in self.present else b""
        whole = hadoop_index.dump(merged)
        clash = ours.contradicts(theirs)
        self._add(path, whole, same=before == whole and not (clash and not replacing))
        if before and not clash and before != whole:
            self._join(path, whole)

    def _note_keytabs_of_groups(self, named: hadoop_index.Index) -> None:
        here = keytabs.names(self.store)
        for group, keytab in named.keytabs.items():
            if keytab and keytab not in here:
                message = (
                    f"The Hadoop group {quote(group)} asks for the keytab {quote(keytab)}, which is not "
                    "here. Upload it in Admin > Kerberos Configuration."
                )
                self.missing.append(Missing(hadoop_index.PATH, keytab, message, blocks=False))

    def _join(self, path: str, content: bytes) -> None:
        """Let what only adds to a file be no conflict, whatever is chosen for conflicts."""
        item = self.items[-1]
        self.items[-1] = replace(item, action="update", note="What is here stays, and is added to.")
        self.changes[path] = content

    def _add_kerberos(self, member: str, path: str, content: bytes) -> None:
        text = content.decode("utf-8", "surrogateescape")
        if wrong := kerberos_configuration.errors(text):
            raise ArchiveError(f"{quote(member)} cannot be used. {wrong[0].message}", member=member)
        self._add(path, kerberos_configuration.normal(text).encode())

    def _add_source(self, name: str, member: str, path: str, content: bytes) -> None:
        try:
            eda_document.check_source_name(name)
            source = eda_document.parse(name, content)
        except InvalidError as error:
            raise ArchiveError(f"{quote(member)} is no sound source: {error}", member=member) from error
        if source.kind == "file" and source.file.data and not self._has_data(source.file.data):
            message = (
                f"The source {quote(name)} reads {quote(source.file.data)}, which is not here. Upload it in "
                "Developer > Exploratory Data Analysis."
            )
            self.missing.append(Missing(path, source.file.data, message, blocks=False))
        self._add(path, eda_document.dump(source))

    def _has_data(self, reference: str) -> bool:
        try:
            self.store.data.resolve(reference)
        except CoutureError:
            return False
        return True

    def note_keytabs(self) -> None:
        """Name the keytabs of where the archive comes from that are not here."""
        here = keytabs.names(self.store)
        for member, principals in self.left_out.items():
            name = member.removeprefix(f"{FOLDER}/")
            if name.startswith(_KEYTABS) and (name := name.removeprefix(_KEYTABS)) not in here:
                message = (
                    f"The keytab {quote(name)} ({', '.join(principals)}) is neither in the archive nor here. "
                    "Upload it in Admin > Kerberos Configuration."
                )
                self.missing.append(Missing(kerberos_configuration.PATH, name, message, blocks=False))

    def _add_ldap(self, member: str, content: bytes) -> None:
        present = self.store.config.read(LDAP, commit=self.base) if LDAP in self.present else b""
        taken = archived_ldap.read(self.store, content, present, member=member)
        self.notes += taken.notes
        self._add(LDAP, taken.content, same=taken.is_same)

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


def _check_hadoop(member: str, content: bytes, *, group: str, name: str) -> None:
    try:
        hadoop_groups.check_group(group)
        hadoop_files.check_file(name)
        hadoop_documents.parse(hadoop_documents.without_mark(content), name=name)
    except (InvalidError, TooLargeError) as error:
        raise ArchiveError(f"{quote(member)} is refused: {error}", member=member) from error


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
    planning.note_keytabs()
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
    return paths if top in ("", "hadoop", "bricks", "eda") else trees.without_folder(paths, top)
