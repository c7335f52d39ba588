"""Whole trees of a repository: what is in them, many contents at once, a search in all of them.

Each question takes one git process, however many files there are.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from couture_workflow.exceptions import InvalidError, InvalidNameError
from couture_workflow.store.git_process import Git
from couture_workflow.store.names import quote

#: Modes of git: a file, an executable one, a symbolic link, the commit of a submodule.
FILE, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"

#: Seconds after which a search is given up.
SEARCH_TIMEOUT = 20.0

#: Names that git never makes and that would lead elsewhere when the tree is written to a disk.
_ELSEWHERE = re.compile(rb"(?:^|/)(?:\.|\.\.|\.git|)(?:/|$)", re.IGNORECASE)

#: From so many contents on one process for all is faster than one for each.
_MANY = 6
#: Characters of a found line that are kept.
_LINE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree.

    :param blob: id of the content; of a submodule: its commit.
    :param size: bytes; 0 for a submodule, and where sizes were not asked for.
    """

    path: str
    mode: str
    blob: str
    size: int = 0


@dataclass(frozen=True)
class Match:
    """One line that a search found; a long one is cut."""

    path: str
    line: int
    text: str


def entries(git: Git, commit: str, *, sizes: bool = True) -> tuple[Entry, ...]:
    """Return every entry of a commit's tree, folders aside, in git's order.

    Raises ``InvalidNameError`` for a tree that was made by hand to lead out of its folder.
    """
    found = []
    for record in git.run("ls-tree", "-r", *(("-l",) if sizes else ()), "-z", commit).split(b"\0"):
        if record:
            fields, _, path = record.partition(b"\t")
            if _ELSEWHERE.search(path):
                shown = quote(path.decode("utf-8", "backslashreplace"))
                raise InvalidNameError(
                    f"The commit {commit[:12]} has the path {shown}, which leads out of the repository or to "
                    "git's own files. Remove it there."
                )
            mode, _, blob, *size = fields.decode().split()
            length = int(size[0]) if size and size[0].isdigit() else 0
            found.append(Entry(path.decode("utf-8", "surrogateescape"), mode, blob, length))
    return tuple(found)


def contents(git: Git, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Give each of these blobs and its content once, one at a time."""
    yield from each_content(git, list(dict.fromkeys(blobs)))


def each_content(git: Git, asked: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Give the contents of blobs in their order, one at a time, as often as each is asked for."""
    if not asked:
        return
    question = "".join(f"{blob}\n" for blob in asked).encode()
    with git.reading("cat-file", "--batch", "--buffer", stdin=question) as output:
        for blob in asked:
            words = output.readline().split()
            size = int(words[2]) if len(words) == 3 and words[1] == b"blob" else -1
            content = output.read(size) if size >= 0 else b""
            if len(content) != size or output.read(1) != b"\n":
                raise git.damaged(f"the content {blob} is missing")
            yield blob, content


def write(git: Git, contents: Sequence[bytes]) -> list[str]:
    """Store contents and return the ids of their blobs, in the same order."""
    if len(contents) < _MANY:
        return [git.text("hash-object", "-w", "--stdin", stdin=content) for content in contents]
    lines: list[bytes] = []
    for number, content in enumerate(contents, 1):
        lines.append(b"blob\nmark :%d\ndata %d\n%b\nget-mark :%d\n" % (number, len(content), content, number))
    output = git.text("fast-import", "--quiet", "--done", stdin=b"".join([*lines, b"done\n"]))
    return output.split()


def modes(blobs: Mapping[str, str], deleted: Collection[str], present: Mapping[str, Entry]) -> dict[str, str]:
    """Return the mode of each written path: an executable stays one, also when it is moved.

    :param blobs: id of the new content by path.
    """
    moved = {present[path].blob: present[path].mode for path in deleted if path in present}
    return {path: _mode(present.get(path), blob, moved) for path, blob in blobs.items()}


def _mode(old: Entry | None, blob: str, moved: Mapping[str, str]) -> str:
    if old is None:
        return moved.get(blob, FILE)
    return FILE if old.mode == LINK and old.blob != blob else old.mode


def check_submodules(changes: Mapping[str, bytes | None], present: Mapping[str, Entry]) -> None:
    """Refuse to write into a submodule; deleting the submodule itself is fine."""
    roots = {path for path, entry in present.items() if entry.mode == SUBMODULE}
    for path, content in changes.items():
        for root in roots:
            if path.startswith(f"{root}/") or (path == root and content is not None):
                raise InvalidError(
                    f"{quote(path)} belongs to the submodule {quote(root)} and cannot be changed here. "
                    "Change it in that repository.",
                    field="path",
                )


def search(
    git: Git, commit: str, text: str, *, regex: bool, ignore_case: bool, limit: int
) -> Iterator[Match]:
    """Give lines of the text files of a commit that have a text in them.

    :param regex: the text is a POSIX extended regular expression.
    """
    options = ["-E" if regex else "-F", *(("-i",) if ignore_case else ()), f"--max-count={limit}"]
    command = ("grep", "-I", "-n", "-z", "--no-color", *options, "-e", text, commit)
    try:
        code, output, errors = git.execute(*command, timeout=SEARCH_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise InvalidError("The search took too long. Look for something simpler.", field="text") from None
    if code > 1:
        said = " ".join(errors.decode("utf-8", "replace").split()).removeprefix("fatal: ")
        raise InvalidError(f"The search is refused: {said}. Correct the expression.", field="text")
    for record in output.split(b"\n")[:limit]:
        fields = record.split(b"\0", 2)
        if len(fields) == 3:
            path = fields[0].decode("utf-8", "surrogateescape").removeprefix(f"{commit}:")
            yield Match(path, int(fields[1]), fields[2].decode("utf-8", "replace")[:_LINE].rstrip("\r"))


def mentioning(git: Git, commit: str, words: Collection[str]) -> Iterator[str]:
    """Give the files of a commit in which one of some words appears."""
    if words:
        asked = [argument for word in words for argument in ("-e", word)]
        output = git.run("grep", "-I", "-l", "-z", "-F", *asked, commit, accept=(0, 1))
        for name in filter(None, output.decode("utf-8", "surrogateescape").split("\0")):
            yield name.removeprefix(f"{commit}:")
