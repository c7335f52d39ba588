"""Text that people edit, with its history: a bare git repository in which a save is a commit.

There is no work tree, so there is nothing to be in a half-written state: objects are written first and the
branch is moved last, from the commit that was checked to the new one or not at all. Writers hold a lock of
ours, handed down to the git processes they start, and leave a mark while they write, so a lock file that git
left is known to be a dead one's; readers never wait. Others may push meanwhile: their locks are waited for.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote as percent_encode
from urllib.parse import unquote

from couture_workflow.exceptions import ConflictError, InvalidError, NotFoundError
from couture_workflow.store import atomic, trees
from couture_workflow.store.git_process import Git
from couture_workflow.store.names import check_path, check_pushed_path, is_fit, quote

BRANCH = "refs/heads/main"

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_MAIL = "@couture-workflow"
_FORM = "--format=%H%x00%an%x00%ae%x00%at%x00%B"
_COMMIT = re.compile(r"[0-9a-f]{40}")
#: Seconds after which a lock file of git's is a dead process's: a push holds it for milliseconds.
_DEAD = 60.0
_LOCKS = ("HEAD.lock", "packed-refs.lock", "packed-refs.new", "config.lock", "gc.pid", f"{BRANCH}.lock")


@dataclass(frozen=True)
class Commit:
    """One save."""

    id: str
    author: str
    when: datetime
    message: str


class Repository:
    """A bare git repository with one branch.

    :param path: its folder, such as ``config.git``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git = Git(path)

    def exists(self) -> bool:
        """Tell whether the repository was made."""
        return (self.path / "HEAD").is_file()

    def create(self) -> None:
        """Make the repository if it is not there; the caller holds a lock against others who make it."""
        if not self.exists():
            self.git.create(BRANCH)

    def head(self) -> str | None:
        """Return the id of the newest commit, None if nothing was saved yet."""
        for _ in range(2):  # twice: the very first save may come between the question and the check
            found = self.git.run("rev-parse", "--verify", "--quiet", BRANCH, accept=(0, 1)).decode().strip()
            if found:
                return found
            if not (self.path / BRANCH).exists():
                return None
        raise self.git.damaged(f"{self.path / BRANCH} does not hold the id of a commit")

    def read(self, path: str, *, commit: str | None = None) -> bytes:
        """Return a file as of a commit (None: the newest) or raise ``NotFoundError``."""
        if is_readable(path) and (commit is None or _COMMIT.fullmatch(commit)):
            content = self._read_object(f"{commit or BRANCH}:{path}")
            if content is not None:
                return content
        chosen = self._chosen(commit)
        for entry in trees.entries(self.git, chosen, sizes=False) if chosen else ():
            if entry.path == path and entry.mode != trees.SUBMODULE:  # such as a name with a line break
                content = self._read_object(entry.blob)
                if content is None:
                    raise self.git.damaged(f"the content of {path} is missing")
                return content
        raise NotFoundError(
            f"There is no {quote(path)} in {self.path.name}" + (f" at {commit}." if commit else ".")
        )

    def paths(self, prefix: str = "", *, commit: str | None = None) -> tuple[str, ...]:
        """Return the paths of all files that begin with the prefix, as of a commit (None: the newest)."""
        entries = self._entries(self._chosen(commit))
        return tuple(path for path in entries if path.startswith(prefix))

    def save(
        self,
        changes: Mapping[str, bytes | None],
        *,
        author: str,
        message: str,
        base: str | None,
        before: Callable[[str | None], None] | None = None,
        pushed: bool = False,
    ) -> Commit:
        """Write and delete files as one commit and return it; the newest one if nothing changes by it.

        :param changes: new content by path, None to delete it.
        :param base: the commit that the caller started from, None if there was none. If one of the paths
            changed since, ``ConflictError`` is raised and nothing is written; other changes since are kept.
        :param before: called with the newest commit, at which the branch is moved; may raise to save nothing.
        :param pushed: see ``checked``.
        """
        checked = self.checked(changes, pushed=pushed)
        with self.writing() as git:
            while True:  # a second time only if somebody moved the branch without our lock, by git push say
                head = self.head()
                self._check_base(checked, base, head)
                if before is not None:
                    before(head)
                tree = self._write_tree(git, checked, head)
                if head and git.text("rev-parse", f"{head}^{{tree}}") == tree:
                    return self._commit(head)
                if head is None and tree == _EMPTY_TREE:
                    raise InvalidError("There is nothing to save. Add a file first.")
                new = self._write_commit(git, tree, head, author=author, message=message)
                if self._move_branch(git, head, new):
                    return self._commit(new)

    def checked(
        self, changes: Mapping[str, bytes | None], *, pushed: bool = False
    ) -> dict[str, bytes | None]:
        """Return changes with paths that may be saved; what others pushed is changed under any name.

        :param pushed: new files too may have names that others could push, as in an export.
        """
        check = check_pushed_path if pushed else check_path
        odd = any(content is not None and not is_fit(path) for path, content in changes.items())
        present = set(self._entries(self.head())) if odd else set()
        return {p if c is None or p in present else check(p): c for p, c in changes.items()}

    def save_merge(self, tree: str, *, parents: tuple[str, str], author: str, message: str) -> str | None:
        """Commit a merged tree and return the commit; None if the branch is no longer at the first parent."""
        ours, theirs = parents
        text = message.encode("utf-8", "replace")
        with self.writing() as git:
            commit = git.text(
                "commit-tree", tree, "-p", ours, "-p", theirs, stdin=text, environment=_author(author)
            )
            return commit if self._move_branch(git, ours, commit) else None

    def history(self, path: str | None = None, *, limit: int = 50, skip: int = 0) -> list[Commit]:
        """Return commits, newest first.

        :param path: only those that changed this file or folder.
        """
        head = self.head()
        if head is None or (path and not is_readable(path)):
            return []
        return self._log(head, f"--max-count={limit}", f"--skip={skip}", *(("--", path) if path else ()))

    def last_changes(self, commit: str, *, after: str | None = None) -> dict[str, Commit]:
        """Return the newest commit that touched each path, as seen from a commit, by one git process.

        :param after: leave out this commit and what came before it.
        """
        scope = (commit, *((f"^{after}",) if after else ()))
        output = self.git.run("log", "-z", "-c", "--name-only", "--no-renames", "--format=%x1e%H", *scope)
        newest: dict[str, str] = {}
        current = ""
        for word in output.decode("utf-8", "surrogateescape").split("\0"):
            if word.startswith("\x1e"):
                current = word[1:41]
            elif word:
                newest.setdefault(word.removeprefix("\n"), current)
        commits = {found.id: found for found in self._commits(set(newest.values()))}
        return {path: commits[touched] for path, touched in newest.items()}

    def is_ancestor(self, old: str, new: str) -> bool:
        """Tell whether a commit is another one or comes before it."""
        code, _, _ = self.git.execute("merge-base", "--is-ancestor", old, new)
        return code == 0

    def commit(self, commit: str) -> Commit:
        """Return one commit; NotFoundError if there is no such one."""
        return self._commit(self.known(commit))

    def diff(self, old: str | None, new: str, *, path: str | None = None) -> str:
        """Return the unified difference between two commits.

        :param old: None: as if nothing had been there before.
        """
        commits = (_EMPTY_TREE if old is None else self.known(old), self.known(new))
        if path and not is_readable(path):
            return ""
        only = ("--", path) if path else ()
        return self.git.text(
            "diff-tree", "-r", "-p", "--no-color", "--no-renames", "--no-ext-diff", *commits, *only
        )

    def check(self) -> str:
        """Return what git finds wrong with the repository, "" if all is well."""
        code, output, errors = self.git.execute("fsck", "--full", "--no-dangling", "--no-progress")
        return " ".join((errors + output).decode("utf-8", "replace").split()) if code else ""

    def locks(self) -> list[Path]:
        """Return the lock files of git processes that are at work or were killed."""
        return [path for name in _LOCKS if name.endswith(".lock") and (path := self.path / name).exists()]

    def pack(self) -> None:
        """Pack what was written one by one; safe at any time."""
        with self.writing() as git:
            git.run("-c", "gc.reflogExpire=never", "gc", "--quiet", "--prune=2.weeks.ago")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Git]:
        if not self.exists():
            raise self.git.damaged("it is missing or not complete")
        with atomic.locked(self.path / "couture.lock") as lock, self._index() as index, self._healed():
            yield self.git.writer(lock, index)

    @contextlib.contextmanager
    def _healed(self) -> Iterator[None]:
        """Remove the lock files of dead git processes: ours at once, those of others when they are old."""
        marker = self.path / "couture.writing"
        ours_died = marker.exists()
        for name in (*_LOCKS, "couture.index.lock"):
            lock = self.path / name
            if ours_died or _age(lock) > _DEAD:
                lock.unlink(missing_ok=True)
        with atomic.storage_errors(marker):
            marker.touch()
        try:
            yield
        finally:
            marker.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _index(self) -> Iterator[Path]:
        index = self.path / "couture.index"
        index.unlink(missing_ok=True)
        try:
            yield index
        finally:
            index.unlink(missing_ok=True)

    def _check_base(self, changes: Iterable[str], base: str | None, head: str | None) -> None:
        if base == head:
            return
        theirs = self.changed(base, head)
        both = sorted(path for path in changes if any(_overlap(path, other) for other in theirs))
        if both:
            raise ConflictError(
                f"Somebody else saved {', '.join(both)} meanwhile. Look at the difference, then save again.",
                paths=both,
                base=base or "",
                theirs=head or "",
            )

    def changed(self, base: str | None, head: str | None) -> set[str]:
        """Return the paths that differ between two commits; all of them if the base is not one of ours."""
        if base is None or head is None or not self._is_known(base):
            return set(self._entries(head))
        names = self.git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", base, head)
        return set(_split(names))

    def _write_tree(self, git: Git, changes: Mapping[str, bytes | None], head: str | None) -> str:
        present = {entry.path: entry for entry in trees.entries(git, head, sizes=False)} if head else {}
        trees.check_submodules(changes, present)
        _check_folders(changes, present)
        written = {path: content for path, content in changes.items() if content is not None}
        blobs = dict(zip(written, trees.write(git, list(written.values())), strict=True))
        modes = trees.modes(blobs, changes.keys() - written, present)
        lines = [f"{modes[path]} {blob}\t{path}\0" for path, blob in blobs.items()]
        lines += [f"0 {'0' * 40}\t{path}\0" for path in changes if path in present and path not in blobs]
        git.run("read-tree", *((head,) if head else ("--empty",)))
        index = "".join(sorted(lines)).encode("utf-8", "surrogateescape")
        git.run("update-index", "-z", "--index-info", stdin=index)
        return git.text("write-tree")

    def _write_commit(self, git: Git, tree: str, head: str | None, *, author: str, message: str) -> str:
        parents = ("-p", head) if head else ()
        text = message.replace("\0", " ").encode("utf-8", "replace")
        return git.text("commit-tree", tree, *parents, stdin=text, environment=_author(author))

    def _move_branch(self, git: Git, old: str | None, new: str) -> bool:
        """Move the branch from one commit to another; tell whether it was at the first."""
        move = ("update-ref", BRANCH, new, old or "0" * 40)
        code, _, errors = git.execute(*move)
        if code == 0:
            atomic.sync_folder((self.path / BRANCH).parent)
        elif self.head() == old:
            raise git.error(move, errors)
        return code == 0

    def _entries(self, commit: str | None) -> tuple[str, ...]:
        if commit is None:
            return ()
        return tuple(_split(self.git.run("ls-tree", "-r", "-z", "--name-only", commit)))

    def _read_object(self, name: str) -> bytes | None:
        answer = self.git.run("cat-file", "--batch", stdin=f"{name}\n".encode())
        header, _, rest = answer.partition(b"\n")
        words = header.rsplit(b" ", 2)
        if len(words) == 3 and words[1] == b"blob" and words[2].isdigit():
            return rest[: int(words[2])]
        return None

    def _commit(self, commit: str) -> Commit:
        return self._log(commit, "--max-count=1")[0]

    def _log(self, commit: str, *arguments: str) -> list[Commit]:
        return _parse_commits(self.git.run("log", "-z", _FORM, commit, *arguments))

    def _commits(self, ids: Iterable[str]) -> list[Commit]:
        names = "".join(f"{name}\n" for name in ids).encode()
        return (
            _parse_commits(self.git.run("log", "-z", _FORM, "--no-walk", "--stdin", stdin=names))
            if names
            else []
        )

    def _chosen(self, commit: str | None) -> str | None:
        return self.head() if commit is None else self.known(commit)

    def known(self, commit: str) -> str:
        """Return the id of a commit if it is one of ours; NotFoundError if not."""
        if not self._is_known(commit):
            raise NotFoundError(
                f"There is no commit {quote(commit)} in {self.path.name}. Choose one of its history."
            )
        return commit

    def _is_known(self, commit: str) -> bool:
        if not _COMMIT.fullmatch(commit):
            return False
        return self.git.run("cat-file", "-t", commit, accept=(0, 128)).strip() == b"commit"


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def is_readable(path: str) -> bool:
    """Tell whether git may be asked for a path; wider than the rule for new ones: others may push."""
    return path.isprintable() and not {"", ".", ".."}.intersection(path.split("/"))


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _check_folders(changes: Mapping[str, bytes | None], present: Iterable[str]) -> None:
    """Refuse a file where there is a folder, and the other way round."""
    written = {path for path, content in changes.items() if content is not None}
    files = (set(present) | written) - (changes.keys() - written)
    for path in files:
        for folder in _folders(path):
            if folder in files:
                raise InvalidError(
                    f"{quote(folder)} cannot be both a file and a folder. Rename one.", field="path"
                )


def _folders(path: str) -> Iterator[str]:
    parts = path.split("/")[:-1]
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def _split(names: bytes) -> list[str]:
    return [name for name in names.decode("utf-8", "surrogateescape").split("\0") if name]


def _author(author: str) -> dict[str, str]:
    """Return git's variables for an author; the address has the exact name, of which git strips some."""
    readable = "".join(c for c in author if c.isprintable() and c not in "<>").strip(" .,:;'\"\\")
    address = percent_encode(author, safe="", errors="replace").replace(".", "%2E") + _MAIL
    return {
        "GIT_AUTHOR_NAME": readable.encode("utf-8", "replace").decode() or "unknown",
        "GIT_AUTHOR_EMAIL": address,
        "GIT_COMMITTER_NAME": "Couture Workflow",
        "GIT_COMMITTER_EMAIL": f"store{_MAIL}",
    }


def _parse_commits(output: bytes) -> list[Commit]:
    fields = iter(output.decode("utf-8", "replace").split("\0"))
    return [_parse_commit(*record) for record in zip(*[fields] * 5, strict=False)]


def _parse_commit(commit: str, name: str, address: str, seconds: str, message: str) -> Commit:
    author = unquote(address.removesuffix(_MAIL)) if address.endswith(_MAIL) else name
    return Commit(commit, author, datetime.fromtimestamp(int(seconds), UTC), message.rstrip("\n"))
