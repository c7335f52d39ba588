"""The DAG bundle of the product: Airflow reads ``dags.git`` in the home, and a version is a commit.

Airflow's own ``GitDagBundle`` would look up a connection, take an exclusive lock and clone the repository
once more; each of these at every start of a task. Here a task whose version was used before on this machine
finds its folder and starts, as fast as with a plain folder (``benchmarks/dag_bundle.py``).

This module is imported at every start of a task, so what needs git is imported when git is needed.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.dag_processing.bundles.base import (
    BaseDagBundle,
    BundleVersion,
)

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.eda import dag_file as eda_dag_file

if TYPE_CHECKING:
    from couture_workflow.services.dags.worktrees import Tracking
    from couture_workflow.store.home import Store

_VERSION = re.compile(r"[0-9a-f]{40}(-[0-9a-f]{8})?")


class DagRepositoryBundle(BaseDagBundle):
    """The DAGs in ``dags.git``, and beside them those of the product's own.

    :param home: the home; None: the option ``home``.
    :param version: id of a commit, with the digest of a folder of the repository behind it where one was set
        (``services.dags.root``); None: always the newest.
    """

    supports_versioning = True

    def __init__(self, *, home: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        if self.version is not None and not _VERSION.fullmatch(self.version):
            raise InvalidError(
                f"The version {self.version!r} of the bundle {self.name} is not the id of a commit."
            )
        self._home = self._home_of(home)
        self._folder = (
            dag_root.folder_of(self._home, self.version) if self.version else dag_root.current(self._home)
        )
        self._shown: str | None = None
        self._tracking: Tracking | None = None

    @property
    def path(self) -> Path:
        """The folder with the DAGs."""
        return self._root / self._folder if self._folder else self._root

    @property
    def _root(self) -> Path:
        return self.versions_dir / self.version if self.version else self.base_dir / "tracking"

    def initialize(self) -> None:
        """Make sure that the folder is there."""
        if not self.version:
            self.refresh()
        elif not self._is_there():
            self._make_version(self.version)
        else:  # an earlier release may have made it
            self._put_own_files()
        super().initialize()

    def refresh(self) -> None:
        """Show the newest version in the folder."""
        if self.version:
            raise InvalidError(f"Version {self.version} of the bundle {self.name} cannot change.")
        from couture_workflow.services.dags import worktrees as dag_worktrees

        with self.lock():
            self._tracking = self._tracking or dag_worktrees.Tracking(self.base_dir)
            self._folder = dag_root.current(self._home)
            self._tracking.beside = self._own_files()
            store = self._store()
            head = store.dags.head() if store.dags.exists() else None
            if head != self._tracking.commit() or not self._root.is_dir():
                self._tracking.switch(store, head)
                dag_worktrees.sweep_bundle(self.name)
            with contextlib.suppress(OSError):  # a file has its name: then there are no DAGs
                self.path.mkdir(parents=True, exist_ok=True)
                self._put_own_files()
            self._shown = dag_root.version(head, self._folder) if head else None

    def get_current_version(self) -> BundleVersion | None:
        """Return the version that the folder shows; None as long as nothing was saved."""
        shown = self.version or self._shown
        return BundleVersion(shown) if shown else None

    def view_url_template(self) -> str | None:
        """Return the address of a version's page, None without a ``base_url``: Airflow wants a whole one."""
        if self._view_url_template:
            return self._view_url_template
        base = conf.get("api", "base_url", fallback="").rstrip("/")
        return (
            f"{base.replace('{', '%7B').replace('}', '%7D')}/couture/dag-history/{{version}}"
            if base
            else None
        )

    def _is_there(self) -> bool:
        """Tell whether the folder of the version is there, and keep it from being swept just now."""
        try:
            os.utime(self._root)
        except FileNotFoundError:
            return False
        except PermissionError:
            pass  # of another user (run_as_user): it can be read all the same
        return True

    def _make_version(self, version: str) -> None:
        from couture_workflow.services.dags import worktrees as dag_worktrees

        with self.lock():
            beside = self._own_files()
            dag_worktrees.make_version(self._store(), self.versions_dir, version, beside=beside)
            dag_worktrees.sweep_bundle(self.name, spare=version)

    def _own_files(self) -> dict[str, str]:
        return {dag_root.whole(self._folder, eda_dag_file.PATH): eda_dag_file.TEXT}

    def _put_own_files(self) -> None:
        own = self._own_files()
        if any(not _is_same(self._root / path, text) for path, text in own.items()):
            from couture_workflow.services.dags import worktrees as dag_worktrees

            dag_worktrees.put_beside(self._root, own)

    def _store(self) -> Store:
        from couture_workflow.store.home import Store

        return Store(self._home)

    @staticmethod
    def _home_of(home: str | None) -> Path:
        if home:
            return Path(home).expanduser()
        from couture_workflow import settings

        return settings.home()


def _is_same(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False
