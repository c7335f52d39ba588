"""Large values go with the runs that they are of: the API server looks for those whose run is gone.

A task has no database, and Airflow calls nobody when a run, a DAG or a value is deleted, by hand or by
`airflow db clean`. Several servers may look at once.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping

from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.sdk.exceptions import AirflowException
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.xcoms import sweeping

log = logging.getLogger(__name__)

#: Seconds between two looks for runs that are gone.
INTERVAL = 600.0
#: As many looks apart, the values of all runs are read too, for files that none of them names.
WHOLE = 144
#: Seconds that the end of the server waits for a storage that does not answer.
_PATIENCE = 2.0
#: What may go wrong with the database or the storage.
FAILURES = (SQLAlchemyError, AirflowException, CoutureError, OSError)


class Keeper:
    """Looks again and again, in a thread of the API server."""

    def __init__(self, *, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._ended = threading.Event()
        self._looks, self._told = 0, ""
        self._thread = threading.Thread(target=self._run, name="couture-xcoms", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End looking; a file that is being deleted is deleted, if its storage answers soon."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def look(self) -> int:
        """Delete what no run needs any more, and return how many files these were; log a problem once."""
        try:
            deleted = sweep(whole=self._looks % WHOLE == 0, ended=self._ended.is_set)
        except FAILURES as error:
            if str(error) != self._told:
                log.warning("Values of runs that are gone are looked for again later: %s", error)
            self._told = str(error)
            return 0
        if deleted:
            log.info("Deleted %d values of tasks that no run needs any more.", deleted)
        self._looks += 1
        self._told = ""
        return deleted

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            self.look()


def sweep(*, whole: bool, ended: Callable[[], bool] = lambda: False) -> int:
    """Delete what no run needs any more, and return how many files these were.

    :param whole: also files of runs that are there, if none of their values names them.
    :param ended: tells whether to leave the rest.
    """
    files = sweeping.files(ended=ended)
    if not files:
        return 0
    with create_session(scoped=False) as session:
        address = session.get_bind().engine.url.set(password=None)
        doomed = list(itertools.takewhile(lambda _: not ended(), _doomed(session, files, whole=whole)))
    # Another database knows nothing of the runs of the one before, which may come back.
    others = set(sweeping.of_others(doomed, sweeping.changed_at(str(address))))
    return sweeping.delete([path for path in doomed if path not in others], ended=ended)


def _doomed(session: Session, files: sweeping.Files, *, whole: bool) -> Iterator[str]:
    dags = sweeping.by_folder(session.scalars(select(DagRun.dag_id).distinct()))
    for folder, runs in files.items():
        ids = _runs(session, dags[folder]) if folder in dags else {}
        for run, paths in runs.items():
            if run not in ids:
                yield from paths
            elif whole:
                values = session.scalars(select(XComModel.value).where(XComModel.dag_run_id == ids[run]))
                yield from sweeping.unnamed(paths, values)


def _runs(session: Session, dag_id: str) -> Mapping[str, int]:
    """Return the numbers of a DAG's runs by their folders."""
    rows = session.execute(select(DagRun.run_id, DagRun.id).where(DagRun.dag_id == dag_id))
    numbers = {run_id: number for run_id, number in rows}
    return {folder: numbers[run_id] for folder, run_id in sweeping.by_folder(numbers).items()}
