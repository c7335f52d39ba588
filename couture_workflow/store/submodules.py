"""Submodules of a repository: which there are, and the local mirrors that their files are read from.

Nothing here uses the network: a mirror is a bare repository below ``submodules`` in the home, named after
the address of the submodule, and somebody else fetches it. A relative address is resolved against the one
of the repository that names it, which for our own repository is ``remote.origin.url`` of its git
configuration (without any token in it).
"""

from __future__ import annotations

import configparser
import hashlib
import posixpath
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.exceptions import NotFoundError, StorageError
from couture_workflow.store import trees
from couture_workflow.store.git_process import Git

#: How deep submodules may be nested.
DEPTH = 5


@dataclass(frozen=True)
class Part:
    """One repository's share of a whole tree.

    :param prefix: where it begins, "" or ``folder/``.
    :param submodule: path of the submodule that it is, "" for the repository itself.
    """

    git: Git
    commit: str
    prefix: str
    submodule: str
    entries: tuple[trees.Entry, ...]


@dataclass(frozen=True)
class Submodule:
    """A submodule as a commit names it.

    :param commit: the commit of it that is wanted.
    :param url: its resolved address.
    """

    path: str
    commit: str
    url: str


def mirror(folder: Path, url: str) -> Path:
    """Return where the mirror of an address is kept.

    :param folder: the folder of all mirrors.
    """
    return folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.git"


def resolve(url: str, base: str) -> str:
    """Return the address that a relative one (``./`` or ``../``) means, beside the address of its parent."""
    if not url.startswith(("./", "../")):
        return url
    start, separator, rest = base.rstrip("/").partition("://")
    if separator:
        host, _, path = rest.partition("/")
        joined = posixpath.normpath(posixpath.join("/", path, url))
        return f"{start}://{host}/{joined.lstrip('/')}"
    host, colon, path = base.rstrip("/").partition(":")
    if colon and "/" not in host:  # git@host:group/name.git
        return f"{host}:{posixpath.normpath(posixpath.join(path, url))}"
    return posixpath.normpath(posixpath.join(base.rstrip("/"), url))


def named(git: Git, commit: str, entries: tuple[trees.Entry, ...], *, base: str) -> Iterator[Submodule]:
    """Give the submodules of a commit.

    :param base: address of the repository, which relative ones are beside.
    """
    wanted = {entry.path: entry.blob for entry in entries if entry.mode == trees.SUBMODULE}
    if not wanted:
        return
    blob = next((entry.blob for entry in entries if entry.path == ".gitmodules"), "")
    text = dict(trees.contents(git, [blob])).get(blob, b"") if blob else b""
    addresses = _addresses(text.decode("utf-8", "replace"))
    for path, wanted_commit in wanted.items():
        if path not in addresses:
            raise NotFoundError(
                f"The submodule {path} has no address in .gitmodules. Add it there, or remove it."
            )
        yield Submodule(path, wanted_commit, resolve(addresses[path], base))


def parts(git: Git, commit: str, *, mirrors: Path, sizes: bool = True) -> Iterator[Part]:
    """Give the tree of a commit, then those of its submodules, nested ones too.

    A mirror that is missing, or does not have the commit, is an error with a sentence.
    """
    own = trees.entries(git, commit, sizes=sizes)
    yield Part(git, commit, "", "", own)
    if any(entry.mode == trees.SUBMODULE for entry in own):
        base = git.run("config", "--get", "remote.origin.url", accept=(0, 1)).decode().strip()
        yield from _below(git, commit, own, prefix="", base=base, mirrors=mirrors, sizes=sizes, depth=1)


def contents(parts: Iterable[Part], paths: Collection[str] | None = None) -> Iterator[tuple[str, str, bytes]]:
    """Give path, mode and content of the files, by one git process for each part.

    :param paths: only these.
    """
    for part in parts:
        by_blob: dict[str, list[trees.Entry]] = {}
        for entry in part.entries:
            wanted = paths is None or f"{part.prefix}{entry.path}" in paths
            if wanted and entry.mode != trees.SUBMODULE:
                by_blob.setdefault(entry.blob, []).append(entry)
        for blob, content in trees.contents(part.git, by_blob):
            for entry in by_blob[blob]:
                yield f"{part.prefix}{entry.path}", entry.mode, content


def folders_of(text: str) -> tuple[str, ...]:
    """Return the folders that a ``.gitmodules`` file names."""
    return tuple(_addresses(text))


def _below(
    git: Git,
    commit: str,
    entries: tuple[trees.Entry, ...],
    *,
    prefix: str,
    base: str,
    mirrors: Path,
    sizes: bool,
    depth: int,
) -> Iterator[Part]:
    for submodule in named(git, commit, entries, base=base):
        where = f"{prefix}{submodule.path}"
        if depth > DEPTH:
            raise NotFoundError(f"The submodule {where} is nested more than {DEPTH} deep. Flatten it.")
        child = Git(mirror(mirrors, submodule.url))
        found = _entries_of(child, submodule, where, sizes=sizes)
        yield Part(child, submodule.commit, f"{where}/", where, found)
        yield from _below(
            child, submodule.commit, found, prefix=f"{where}/", base=submodule.url, mirrors=mirrors,
            sizes=sizes, depth=depth + 1,
        )  # fmt: skip


def _entries_of(git: Git, submodule: Submodule, where: str, *, sizes: bool) -> tuple[trees.Entry, ...]:
    try:
        if (git.path / "HEAD").is_file():
            return trees.entries(git, submodule.commit, sizes=sizes)
    except StorageError:
        pass
    raise NotFoundError(
        f"The submodule {where} ({submodule.url}) at {submodule.commit[:12]} is not here yet. Synchronise "
        "the DAG repository with its remote, which fetches it."
    )


def _addresses(text: str) -> dict[str, str]:
    """Return address by path, of a ``.gitmodules`` file."""
    parser = configparser.ConfigParser(
        interpolation=None, strict=False, delimiters=("=",), allow_no_value=True
    )
    try:
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except configparser.Error:
        return {}
    found = {}
    for name in parser.sections():
        path, url = parser.get(name, "path", fallback=None), parser.get(name, "url", fallback=None)
        if name.startswith("submodule ") and path and url:
            found[path.strip('"')] = url.strip('"')
    return found
