"""The page *Run details*: what one try of a Spark task used, how it went, what changed since it succeeded."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Iterable
from urllib.parse import quote, urlencode

from flask import redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError
from couture_workflow.permissions import (
    CODE_ARTIFACTS,
    DAG_FILES,
    MODELS,
    READ,
    RUN_DETAILS,
    SPARK_CONFIGURATION,
    SPARK_DEPENDENCIES,
    Permission,
)
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.runs.records import FileUse, Run, RunKey
from couture_workflow.services.spark import pages as spark_pages
from couture_workflow.services.spark.command import FLAGS
from couture_workflow.services.spark.pages import Place
from couture_workflow.store.repository import Commit
from couture_workflow.views.base import CouturePage, expose, number_asked, requires
from couture_workflow.views.runs import notebook
from couture_workflow.views.runs.addresses import run_url
from couture_workflow.web.runs import task_instances
from couture_workflow.web.state import store

BADGES = {"running": "badge-info", "success": "badge-ok", "failed": "badge-error", "killed": "badge-warn"}

#: The names that a browser has for the machine that it runs on, with a port or without.
_LOCAL = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")

#: Role of a file -> its page, and who may open that.
FILE_PAGES = {
    "application": ("CodeArtifactsPage.file", Permission(READ, CODE_ARTIFACTS)),
    "jar": ("SparkDependenciesPage.file", Permission(READ, SPARK_DEPENDENCIES)),
    "py-file": ("SparkDependenciesPage.file", Permission(READ, SPARK_DEPENDENCIES)),
    "model": ("TrainedModelsPage.named", Permission(READ, MODELS)),
}


#: Role of a file -> the folder of the job's own that it was copied to.
FOLDERS = {"application": "application", "jar": "jars", "py-file": "py-files", "model": "models"}

_COMMIT = re.compile("[0-9a-f]{40}")


class RunsPage(CouturePage):
    """The page of one run. It opens in a tab of its own from the task instance's link *Run details*."""

    route_base = "/runs"
    title = "Run details"
    default_view = "details"

    @expose("/<dag_id>/<run_id>/<task_id>")
    @requires(RUN_DETAILS)
    def details(self, dag_id: str, run_id: str, task_id: str) -> str | WerkzeugResponse:
        """Show one try, the newest if the address names none; ``spark_ui`` leads on to Spark's own pages."""
        try_number = number_asked("try_number", None, least=1)
        key = RunKey(dag_id, run_id, task_id, number_asked("map_index", -1, least=-1), try_number or 1)
        details = task_instances.details(store(), key, newest=try_number is None)
        run = details.run
        lost = task_instances.is_lost(details)
        spark = _spark_pages(run, lost=lost)
        if spark.url and "spark_ui" in request.args:
            return redirect(spark.url)
        return self.page(
            "runs/run_details.html",
            title=f"{task_id} in {dag_id}",
            details=details,
            run=run,
            lost=lost,
            spark=spark,
            badges=BADGES,
            file_pages=FILE_PAGES,
            configuration_permission=Permission(READ, SPARK_CONFIGURATION),
            commit=_commit(run.configuration_commit),
            command=wrapped(portable(run.command, run.files)),
            dag_commit=(dag_commit := _dag_commit(run.dag_version)),
            is_kept=_is_kept(dag_commit),
            history_permission=Permission(READ, DAG_FILES),
            task_path=task_path(run.key),
            run_url=run_url,
            data_path="/runs" + _path(run.key),
            seconds=seconds,
            **notebook.shown(run),
        )


def _spark_pages(run: Run, *, lost: bool) -> Place:
    """Return where Spark's pages on a run are for whoever looks at this page."""
    here = bool(_LOCAL.fullmatch(request.host)) and run.host == socket.gethostname()
    over = lost or run.state != "running"
    return spark_pages.place(run, over=over, here=here, history=settings.spark_history_server())


def task_path(key: RunKey) -> str:
    """Return the path of the task instance's page in Airflow, below its root."""
    path = "/".join(("dags", quote(key.dag_id), "runs", quote(key.run_id), "tasks", quote(key.task_id)))
    return path if key.map_index < 0 else f"{path}/mapped/{key.map_index}"


def wrapped(command: str) -> str:
    """Return a command with each option on a line of its own; a shell still reads it as the same command."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    lines, rest = [words[:1]], words[1:]
    while rest and rest[0].startswith("--"):
        count = 1 if rest[0].removeprefix("--") in FLAGS or "=" in rest[0] else 2
        lines.append(rest[:count])
        rest = rest[count:]
    if rest:
        lines.append(rest)
    return " \\\n  ".join(shlex.join(line) for line in lines)


def portable(command: str, files: Iterable[FileUse]) -> str:
    """Return a command that names uploaded files without the folder of the job, which is removed with it."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    ends = {f"/{FOLDERS[use.role]}/{use.name}": use for use in files}
    application = next((end for end, use in ends.items() if use.role == "application"), "/")
    folder = next((word.removesuffix(application) for word in words if word.endswith(application)), "")
    bare = {f"{folder}{end}": use.name for end, use in ends.items()}
    return shlex.join(",".join(bare.get(part, part) for part in word.split(",")) for word in words)


def seconds(duration: float) -> str:
    """Return a duration in words."""
    if duration < 60:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _path(key: RunKey) -> str:
    path = "".join("/" + quote(part, safe="") for part in (key.dag_id, key.run_id, key.task_id))
    return f"{path}?{urlencode({'map_index': key.map_index, 'try_number': key.try_number})}"


def _dag_commit(version: str | None) -> str:
    """Return the commit that a version of the DAG repository is of, "" if it is none."""
    commit = dag_root.commit_of(version or "")
    return commit if _COMMIT.fullmatch(commit) else ""


def _is_kept(commit: str) -> bool:
    try:
        return bool(commit and store().dags.commit(commit))
    except CoutureError:
        return False


def _commit(commit: str | None) -> Commit | None:
    """Return who changed the configuration last before the run, None if the version is gone."""
    if not commit:
        return None
    try:
        return store().config.commit(commit)
    except CoutureError:
        return None
