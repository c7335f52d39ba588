"""Git commands on one bare repository, through GitPython: what they may see and what their errors mean."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from couture_workflow.exceptions import CorruptError, RuntimeMissingError, StorageError, StorageFullError
from couture_workflow.store import atomic

#: Nothing of a person's or the machine's git configuration may change what the product does.
_ISOLATED = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_COUNT": "0",
    "GIT_NAMESPACE": "",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "LANGUAGE": "C",
}
_OPTIONS = (
    *("-c", "core.fsync=all", "-c", "core.quotePath=false", "-c", "gc.auto=0"),
    *("-c", "core.filesRefLockTimeout=5000", "-c", "core.packedRefsTimeout=5000"),
)
_FULL = re.compile(rb"No space left on device|Disk quota exceeded|File too large")
_PROBE = bytes(64 * 1024)


class Git:
    """Runs git commands on the repository at a path.

    :param lock: file descriptor that the commands inherit, so that a lock lasts as long as they do.
    :param index: index file that the commands use.
    """

    def __init__(self, path: Path, *, lock: int | None = None, index: Path | None = None) -> None:
        self.path = path
        self._lock = lock
        self._index = index

    def writer(self, lock: int, index: Path) -> Git:
        """Return one that hands the lock down to its commands and works on the index."""
        return Git(self.path, lock=lock, index=index)

    def create(self, branch: str) -> None:
        """Make the repository beside its place and move it there."""
        _gitpython()
        for stale in self.path.parent.glob(f".{self.path.name}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        new = self.path.with_name(f".{self.path.name}-{uuid.uuid4().hex}")
        try:
            maker = Git(new)
            maker.run("init", "--bare", "--quiet", "--template=", str(new), folder=self.path.parent)
            maker.run("symbolic-ref", "HEAD", branch)
            (new / branch).parent.mkdir(parents=True, exist_ok=True)
            new.rename(self.path)
            atomic.sync_folder(self.path.parent)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def text(self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> str:
        """Run a command and return its output as text, without the last line's end."""
        output = self.run(*arguments, stdin=stdin, environment=environment)
        return output.decode("utf-8", "replace").removesuffix("\n")

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        accept: Sequence[int] = (0,),
        folder: Path | None = None,
    ) -> bytes:
        """Run a command and return its output; any exit code but the accepted ones is an error.

        :param folder: where to run it (default: in the repository).
        """
        code, output, errors = self.execute(*arguments, stdin=stdin, environment=environment, folder=folder)
        if code not in accept:
            raise self.error(arguments, errors)
        return output

    def execute(
        self,
        *arguments: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        timeout: float | None = None,
    ) -> tuple[int, bytes, bytes]:
        """Run a command and return its exit code, output and error output.

        :param timeout: seconds after which it is killed and ``subprocess.TimeoutExpired`` raised.
        """
        process = self._start(arguments, subprocess.PIPE, environment=environment, folder=folder)
        try:
            output, errors = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return process.returncode, output, errors

    @contextmanager
    def reading(self, *arguments: str, stdin: bytes = b"") -> Iterator[IO[bytes]]:
        """Run a command and give its output as it comes; leaving early ends the command."""
        with tempfile.TemporaryFile() as source:
            source.write(stdin)
            source.seek(0)
            process = self._start(arguments, source)
        try:
            yield process.stdout
        finally:
            process.kill()
            process.communicate()

    def _start(
        self,
        arguments: Sequence[str],
        stdin: int | IO[bytes],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Any:
        library = _gitpython()
        command = ["git", *(() if folder else (f"--git-dir={self.path}",)), *_OPTIONS, *arguments]
        try:
            return library.Git(str(folder or self.path)).execute(
                command,
                istream=stdin,
                as_process=True,
                env=self._environment(environment or {}),
                pass_fds=(() if self._lock is None else (self._lock,)),
            )
        except FileNotFoundError as error:
            raise self.damaged("the repository is missing") from error

    def damaged(self, problem: str) -> CorruptError:
        """Return the error for a repository that cannot be read."""
        return CorruptError(
            f"The repository {self.path} is damaged: {problem}. Restore {self.path} from a backup.",
            path=str(self.path),
        )

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        index = {"GIT_INDEX_FILE": str(self._index)} if self._index else {}
        return {**_ISOLATED, "GIT_OBJECT_DIRECTORY": str(self.path / "objects"), **index, **extra}

    def error(self, arguments: Sequence[str], errors: bytes) -> StorageError:
        """Return our error for what a failed command said."""
        if _FULL.search(errors) or self._is_full():
            return atomic.full(self.path)
        said = " ".join(errors.decode("utf-8", "replace").split()) or "git gave no reason"
        if b"ermission denied" in errors or b"Read-only file system" in errors:
            return atomic.storage_error(self.path, PermissionError(13, "Permission denied"))
        if b".lock': File exists" in errors:
            return StorageError(
                f"Another git process is writing to {self.path}, or was killed while it did. Nothing was "
                "saved; try again in a minute, when what a killed one left is removed."
            )
        return self.damaged(f"git {arguments[0]} says: {said}")

    def _is_full(self) -> bool:
        """Tell whether the disk takes no more; some of git's messages do not say it."""
        if self._lock is None:
            return False
        try:
            descriptor, path = atomic.temporary(self.path)
        except OSError as error:
            return isinstance(atomic.storage_error(self.path, error), StorageFullError)
        try:
            atomic.write_all(descriptor, _PROBE)
        except OSError as error:
            return isinstance(atomic.storage_error(self.path, error), StorageFullError)
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)
        return False


def _gitpython() -> ModuleType:
    try:
        import git
    except ImportError as error:
        raise RuntimeMissingError(
            "git is not installed. Install it, for example: apt-get install git"
        ) from error
    return git
