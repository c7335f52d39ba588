"""Where Spark's own pages on a job are: while it runs, when it has ended, or why they are nowhere."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from couture_workflow.services.runs.records import Run

_YARN_HISTORY = "spark.yarn.historyServer.address"
_EVENT_LOG = "spark.eventLog.enabled"


@dataclass(frozen=True)
class Place:
    """Where a job's pages are.

    :param url: their address, "" if they cannot be opened from here.
    :param said: why not, in words; what the address is, if there is one.
    """

    url: str
    said: str


def place(run: Run, *, over: bool, here: bool, history: str = "") -> Place:
    """Return where the pages of a run are.

    :param over: the job has ended, recorded or not.
    :param here: whoever asks sits at the machine that the job runs on.
    :param history: address of a history server, "" for none but the one that the run's settings name.
    """
    return _afterwards(run, history) if over else _meanwhile(run, here=here)


def _meanwhile(run: Run, *, here: bool) -> Place:
    url = run.tracking_url or ""
    if not url:
        return Place("", "Spark has not said where its page is. Look again in some seconds.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        return Place("", f"What Spark said of its page is no address: {url}")
    if here or not _is_loopback(host):
        return Place(url, "The pages of the running job.")
    return Place(
        "",
        f"Spark's page is {url} on the machine {run.host or 'of the task'}, for that machine alone. Open it "
        f"there, or through a tunnel (ssh -L {port}:127.0.0.1:{port} {run.host or 'HOST'}), then {url} here. "
        "Where the worker has the variable SPARK_LOCAL_IP, Spark listens on that address.",
    )


def _afterwards(run: Run, history: str) -> Place:
    settings = run.configuration.get("configurations", {})
    history = history or settings.get(_YARN_HISTORY, "")
    if history and "://" not in history:
        history = f"http://{history}"
    url = run.tracking_url or ""
    if history and run.application_id and settings.get(_EVENT_LOG, "").lower() == "true":
        address = f"{history.rstrip('/')}/history/{quote(run.application_id, safe='')}/"
        return Place(address, "The pages of the ended job, from the history server.")
    if run.master.startswith("yarn") and run.application_id and run.application_id in url:
        return Place(url, "YARN's address of the ended job.")
    if not history:
        how = (
            "To see it afterwards, run a history server of Spark, name it in the option "
            f"spark_history_server, and set {_EVENT_LOG} to true."
        )
    elif not run.application_id:
        how = "It never had an id, so the history server cannot know it."
    else:
        how = f"It wrote no events for the history server: set {_EVENT_LOG} to true for the next run."
    return Place("", f"The job has ended, and Spark's page with it. {how}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
