"""`couture-workflow dags reload`: have a workbench look at its git remote now, and say what came."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Any

from couture_workflow.cli.archives import THERE, remote_of
from couture_workflow.cli.commands import HOME, Command, existing_store, report
from couture_workflow.exceptions import RemoteError

#: Looks of 15 seconds that are waited for at a workbench elsewhere.
_PATIENCE = 40


def reload(arguments: argparse.Namespace) -> int:
    """Let a workbench look at its git remote now, and check what came as the save gate does."""
    if not arguments.url:
        return _show(_here(arguments))
    if secret := os.environ.get("COUTURE_HOOK_SECRET", ""):
        from couture_workflow.services.archives.remote import Remote

        Remote(arguments.url, token=secret).call_hook()
        report("The workbench looks at its remote now.")
        return 0
    return _show(_there(arguments))


def _here(arguments: argparse.Namespace) -> Mapping[str, Any]:
    from couture_workflow.services.gate.problems import Known
    from couture_workflow.services.git import sync as git_sync
    from couture_workflow.services.saving import coming

    store = existing_store(arguments.home)
    before = store.dags.head()
    found = git_sync.synchronise(store)
    came = coming.came(store, before, known=Known(complete=False))
    return {
        "result": found.result or "ok",
        "message": found.message or "There is no remote. Airflow looks at the repository again and again.",
        "changes": came.changes,
        **came.report.json(),
    }


def _there(arguments: argparse.Namespace) -> Mapping[str, Any]:
    remote = remote_of(arguments)
    found, ended = remote.reload()
    before, tries = found["before"], 1
    while not ended:
        if tries == _PATIENCE:
            raise RemoteError(f"{arguments.url} still looks at its remote. Ask again later.")
        found, ended = remote.reload(since=before)
        tries += 1
    return found


def _show(found: Mapping[str, Any]) -> int:
    report(found["message"])
    for path, change in found["changes"].items():
        report(f"{change}: {path}")
    if not found["changes"]:
        report("No DAG file has changed.")
    for problem in found["problems"]:
        place = ":".join(str(problem[name]) for name in ("path", "line", "column") if problem[name])
        report(f"{place}: {problem['level']}: {problem['message']} [{problem['code']}]".removeprefix(": "))
    if not found["passed"]:
        report("The save gate would have refused this. It is live all the same: correct it in the remote.")
    return 0 if found["result"] == "ok" and found["passed"] else 1


COMMANDS: dict[str, Command] = {"dags reload": Command(reload, (HOME, *THERE))}
