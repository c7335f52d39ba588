"""Our entries in the menu of Airflow and tabs on its pages, in the form of a plugin's external views."""

from __future__ import annotations

from typing import Any

from couture_workflow.permissions import (
    CODE_ARTIFACTS,
    CODE_BRICKS,
    DAG_FILES,
    DAG_REPOSITORY,
    DEVELOPER_HUB,
    EDA,
    EDIT,
    HADOOP_CONFIGURATION,
    IMPORT_EXPORT,
    JUPYTER,
    KERBEROS_CONFIGURATION,
    LDAP_CONFIGURATION,
    MAIL,
    MODELS,
    NOTEBOOK_SCHEDULES,
    SPARK_CONFIGURATION,
    SPARK_DEPENDENCIES,
)
from couture_workflow.web import paths


def entries() -> list[dict[str, Any]]:
    """Return all of them: one entry leads to the hub and from there to every page, and tabs are on a DAG.

    Each page has an address in Airflow's frame all the same, which is in no menu.
    """
    return [
        _entry("Developer", "developer", DEVELOPER_HUB, "developer", nav_top_level=True),
        _framed("Spark Configuration", "spark-configuration", SPARK_CONFIGURATION),
        _framed("Spark Dependencies", "spark-dependencies", SPARK_DEPENDENCIES),
        _framed("Manage DAGs", "manage-dags", DAG_FILES),
        _framed("DAG Repository", "dag-repository", DAG_REPOSITORY),
        _entry(
            "Hadoop Configuration", "hadoop-configuration", HADOOP_CONFIGURATION, "hadoop", category="admin"
        ),
        _entry(
            "Kerberos Configuration",
            "kerberos-configuration",
            KERBEROS_CONFIGURATION,
            "kerberos",
            category="admin",
        ),
        _framed("Import/Export", "import-export", IMPORT_EXPORT),
        _framed("Code Bricks", "code-bricks", CODE_BRICKS),
        _framed("Code Artifacts", "code-artifacts", CODE_ARTIFACTS),
        _framed("Jupyter Notebook", "jupyter-notebook", JUPYTER),
        _framed("Jupyter Servers", "jupyter-servers", JUPYTER, **{paths.NAV_ACTION: EDIT}),
        _framed("Notebook Schedules", "notebook-schedules", NOTEBOOK_SCHEDULES),
        _framed("Exploratory Data Analysis", "exploratory-data-analysis", EDA),
        _framed("Trained Models", "trained-models", MODELS),
        _entry("LDAP Configuration", "ldap-configuration", LDAP_CONFIGURATION, "ldap", category="admin"),
        _entry("Mail", "mail", MAIL, "mail", category="admin"),
        # Who may open the hub finds it there; the others may read runs too.
        _entry("Spark Jobs and Notebooks", "runs", paths.NAV_OUTSIDE_HUB, "runs", category="browse"),
        _entry("SLA Misses", "sla-misses", paths.NAV_READS_RUNS, "sla", category="browse"),
        _entry(
            "Edit",
            "edit-dag",
            DAG_FILES,
            "edit",
            destination="dag",
            href=f"{paths.PAGES.removeprefix('/')}/dag-editor/of/{{DAG_ID}}",
        ),
        _zoom("dag", "/zoom/{DAG_ID}"),
        _zoom("dag_run", "/zoom/{DAG_ID}?run_id={RUN_ID}"),
        _zoom("task", "/zoom/{DAG_ID}?task_id={TASK_ID}"),
        _zoom("task_instance", "/zoom/{DAG_ID}?run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"),
    ]


def _framed(name: str, page: str, resource: str, **more: Any) -> dict[str, Any]:
    """Return a page that Airflow shows in its frame at ``/plugin/<page>``, and names in no menu."""
    return _entry(name, page, resource, "developer", destination="base", **more)


def _entry(name: str, page: str, resource: str, icon: str, **more: Any) -> dict[str, Any]:
    # Without a leading slash, so that Airflow's <base href> puts the prefix of `[api] base_url` before it.
    root = paths.PAGES.removeprefix("/")
    return {
        "name": name,
        "href": f"{root}/{page}/",
        "destination": "nav",
        "url_route": page,
        "icon": f"{root}{paths.ASSETS}/nav/{icon}.svg",
        "icon_dark_mode": f"{root}{paths.ASSETS}/nav/{icon}-dark.svg",
        paths.NAV_RESOURCE: resource,
        **more,
    }


def _zoom(destination: str, address: str) -> dict[str, Any]:
    """Return the tab *Zoom* on a page of Airflow, which fills in what is in braces."""
    root = paths.PAGES.removeprefix("/")
    page = f"zoom-{destination.replace('_', '-')}"
    return _entry("Zoom", page, paths.NAV_EVERYBODY, "zoom", destination=destination, href=root + address)
