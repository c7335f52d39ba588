"""Where pages and REST API are mounted. It imports nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Prefix of the pages.
PAGES = "/couture"

#: Prefix of the static files, below ``PAGES``.
ASSETS = "/assets"

#: Noun -> prefix of its REST API. Never a bare "/api": it would swallow Airflow's own "/api/v2".
APIS = {
    noun: f"/api/{noun}"
    for noun in ("configs", "dependencies", "artifacts", "dags", "notebooks", "runs", "hadoop")
}
APIS["kerberos"] = "/api/kerberos"
APIS["git_remote"] = "/api/git-remote"
APIS["ldap"] = "/api/ldap"
APIS["eda"] = "/api/eda"
APIS["models"] = "/api/models"
APIS["mail"] = "/api/mail"
APIS["sla"] = "/api/sla"

#: Prefix of people's own JupyterLab: their server's addresses are below ``/jupyter/<folder>/``.
JUPYTER = "/jupyter"

#: Key of a menu entry of ours that names the resource which whoever sees it must be able to read.
NAV_RESOURCE = "couture_resource"

#: In its place: the entry is for every account; its page asks for the DAG that it shows.
NAV_EVERYBODY = "*"

#: Key beside it that names another action than to read.
NAV_ACTION = "couture_action"


def is_ours(path: str) -> bool:
    """Tell whether a path leads to our pages or our REST API."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in (PAGES, JUPYTER, *APIS.values()))


def route_path(scope: Mapping[str, Any]) -> str:
    """Return the path of an ASGI request without the prefix of ``[api] base_url`` or of a mount."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if root and path.startswith(root + "/") else path


#: In its place: the entry is for accounts that may read runs but not open the hub, which leads there too.
NAV_OUTSIDE_HUB = "-"

#: In its place: the entry is for accounts that may read the runs of any DAG.
NAV_READS_RUNS = "~"
