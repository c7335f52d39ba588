"""The Spark configuration that every new job starts from: what *Developer > Spark Configuration* edits.

It is one text, ``spark.yaml``, in the configuration repository: each save is a commit by the user who saved.
Secrets are encrypted in it, one by one, so that history and differences stay readable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from couture_workflow.exceptions import InvalidError, NotFoundError, SecretKeyError
from couture_workflow.services.spark import document as spark_document
from couture_workflow.services.spark.document import MASK, PATH, Document, Sealed, is_secret
from couture_workflow.services.spark.rules import Problem, errors, validate
from couture_workflow.store.home import Store
from couture_workflow.store.repository import Commit

__all__ = [
    "MASK",
    "Problem",
    "SparkConfiguration",
    "history",
    "is_secret",
    "load",
    "merge",
    "opened",
    "read",
    "save",
    "seal",
    "users_of",
    "uses",
    "validate",
    "write",
]


@dataclass(frozen=True)
class SparkConfiguration:
    """What a job is submitted with; secrets are in the clear and never in its ``repr``.

    :param arguments: long options of ``spark-submit`` without the dashes; flags have the value "true".
    :param configurations: ``spark.*`` settings.
    :param jars: references to dependencies, ``name`` or ``name@version``.
    :param py_files: references to dependencies, likewise.
    :param commit: version of the page that it is made from, None if nothing was ever saved.
    """

    arguments: Mapping[str, str] = field(default_factory=dict)
    configurations: Mapping[str, str] = field(default_factory=dict)
    jars: tuple[str, ...] = ()
    py_files: tuple[str, ...] = ()
    commit: str | None = None

    def masked(self) -> dict[str, str]:
        """Return the configurations as they may be shown."""
        return {name: MASK if is_secret(name) else value for name, value in self.configurations.items()}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(arguments={dict(self.arguments)!r}, configurations={self.masked()!r}, "
            f"jars={self.jars!r}, py_files={self.py_files!r}, commit={self.commit!r})"
        )


def read(store: Store, *, commit: str | None = None) -> Document:
    """Return a version (None: the newest) with its secrets sealed."""
    if commit is None:
        newest = store.config.history(PATH, limit=1)
        if not newest:
            return spark_document.DEFAULT
        commit = newest[0].id
    try:
        content = store.config.read(PATH, commit=commit)
    except NotFoundError:
        if any(entry.id == commit for entry in store.config.history(PATH, limit=1)):
            return replace(spark_document.DEFAULT, commit=commit)
        raise
    return spark_document.parse(content, commit=commit)


def opened(store: Store, document: Document) -> SparkConfiguration:
    """Return a document with its secrets decrypted."""
    return SparkConfiguration(
        arguments=dict(document.arguments),
        configurations={
            name: store.secrets.decrypt(value.token) if isinstance(value, Sealed) else value
            for name, value in document.configurations.items()
        },
        jars=document.jars,
        py_files=document.py_files,
        commit=document.commit,
    )


def load(store: Store, *, commit: str | None = None) -> SparkConfiguration:
    """Return a version (None: the newest) as a job needs it; ``master local[*]`` before the first save."""
    return opened(store, read(store, commit=commit))


def write(store: Store, document: Document, *, user: str, base: str | None, message: str = "") -> Document:
    """Save a new version, sealing what is still in the clear, and return it.

    A secret that was typed again as it was keeps its sealed form, so that nothing seems to have changed.

    :param base: version that the editor started from; ``ConflictError`` if somebody saved meanwhile.
    """
    if wrong := errors(validate(document, store)):
        raise InvalidError(wrong[0].message, field=wrong[0].field)
    before = read(store, commit=base) if base else spark_document.DEFAULT
    sealed = seal(store, document, before=before)
    if base and not spark_document.changes(before, sealed) and read(store).commit == base:
        return before
    commit = store.config.save(
        {PATH: spark_document.dump(sealed)},
        author=user,
        message=message.strip() or _summary(before, sealed),
        base=base,
    )
    return read(store, commit=commit.id)


def save(
    store: Store, configuration: SparkConfiguration, *, user: str, base: str | None, message: str = ""
) -> SparkConfiguration:
    """Save a new version and return it; see ``write``."""
    document = Document(
        arguments=configuration.arguments,
        configurations=configuration.configurations,
        jars=configuration.jars,
        py_files=configuration.py_files,
    )
    saved = write(store, document, user=user, base=base, message=message)
    return replace(configuration, commit=saved.commit)


def seal(store: Store, document: Document, *, before: Document) -> Document:
    """Return a document with every secret sealed; one that is as it was before keeps its sealed form."""
    sealed = {
        name: _seal(store, value, before.configurations.get(name)) if is_secret(name) else value
        for name, value in document.configurations.items()
    }
    return replace(document, configurations=sealed)


def _seal(store: Store, value: str | Sealed, old: str | Sealed | None) -> Sealed:
    if isinstance(value, Sealed):
        return value
    if isinstance(old, Sealed) and _is_same(store, old, value):
        return old
    return Sealed(store.secrets.encrypt(value))


def _is_same(store: Store, old: Sealed, value: str) -> bool:
    try:
        return store.secrets.decrypt(old.token) == value
    except SecretKeyError:  # the key was lost; the secret is being entered again
        return False


def _summary(old: Document, new: Document) -> str:
    """Return a message for a save that has none."""
    words: dict[str, list[str]] = {}
    for change in spark_document.changes(old, new):
        name = change.section.replace("_", "-") if change.name == "order" else change.name
        words.setdefault(change.kind, []).append(name)
    verbs = {"added": "Add", "changed": "Change", "removed": "Remove"}
    parts = [f"{verb} {', '.join(words[kind])}" for kind, verb in verbs.items() if kind in words]
    text = "; ".join(parts) or "Save without a change"
    return text if len(text) <= 200 else text[:199] + "…"


def history(store: Store, *, limit: int = 50, skip: int = 0) -> Sequence[Commit]:
    """Return who saved when and why, newest first."""
    return store.config.history(PATH, limit=limit, skip=skip)


def merge(
    page: SparkConfiguration,
    *,
    arguments: Mapping[str, str | None] | None = None,
    configurations: Mapping[str, str | None] | None = None,
    jars: Sequence[str] | None = None,
    py_files: Sequence[str] | None = None,
) -> SparkConfiguration:
    """Put a task's own settings over those of the page; None removes a key, given lists replace."""
    return replace(
        page,
        arguments=_over(page.arguments, arguments),
        configurations=_over(page.configurations, configurations),
        jars=page.jars if jars is None else tuple(jars),
        py_files=page.py_files if py_files is None else tuple(py_files),
    )


def _over(page: Mapping[str, str], task: Mapping[str, str | None] | None) -> dict[str, str]:
    merged: dict[str, str | None] = {**page, **(task or {})}
    return {name: str(value) for name, value in merged.items() if value is not None}


def uses(store: Store) -> tuple[tuple[str, str], ...]:
    """Return each dependency that the page lists, and which list names it, in words a person can look up."""
    document = read(store)
    return tuple(
        (reference.strip().partition("@")[0], f"Spark Configuration ({label})")
        for label, references in (("jars", document.jars), ("py-files", document.py_files))
        for reference in references
    )


def users_of(store: Store, name: str) -> tuple[str, ...]:
    """Return which lists of the page name a dependency."""
    return tuple(dict.fromkeys(place for used, place in uses(store) if used == name))
