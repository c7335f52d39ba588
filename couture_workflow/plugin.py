"""Pages, API mounts and middlewares: registration only. Every process imports it: nothing heavy here."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from couture_workflow.permissions import (
    CODE_ARTIFACTS,
    CODE_BRICKS,
    DAG_FILES,
    DAG_REPOSITORY,
    DEVELOPER_HUB,
    IMPORT_EXPORT,
    SPARK_CONFIGURATION,
    SPARK_DEPENDENCIES,
)
from couture_workflow.web import paths


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


class CouturePlugin(AirflowPlugin):
    """The one plugin of this package."""

    name = "couture_workflow"

    external_views = [
        _entry("Developer", "developer", DEVELOPER_HUB, "developer", nav_top_level=True),
        _entry(
            "Spark Configuration",
            "spark-configuration",
            SPARK_CONFIGURATION,
            "configuration",
            category="admin",
        ),
        _entry(
            "Spark Dependencies", "spark-dependencies", SPARK_DEPENDENCIES, "dependencies", category="admin"
        ),
        _entry("Manage DAGs", "manage-dags", DAG_FILES, "dags", category="Developer"),
        _entry("DAG Repository", "dag-repository", DAG_REPOSITORY, "repository", category="admin"),
        _entry("Import/Export", "import-export", IMPORT_EXPORT, "archives", category="admin"),
        _entry("Code Bricks", "code-bricks", CODE_BRICKS, "bricks", category="Developer"),
        _entry("Code Artifacts", "code-artifacts", CODE_ARTIFACTS, "artifacts", category="Developer"),
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

    # Airflow makes an instance of this class; only the API server and `airflow plugins` read those below.

    @cached_property
    def react_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the bar above the list of Dags, if this is a person's stack."""
        from couture_workflow.services.personal import view as personal_view

        if not (view := personal_view.present()).user:
            return []
        from couture_workflow.web.personal.view import bar

        return [bar(view)]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the applications to mount: the pages and one REST API for each noun."""
        from couture_workflow.api.app import api_apps
        from couture_workflow.patches import client_address, signing_key
        from couture_workflow.web import audit
        from couture_workflow.web.app import pages_app

        audit.listen_to_log_ins()
        client_address.listen()
        signing_key.keep()
        return [
            {"name": "Couture Workflow pages", "url_prefix": paths.PAGES, "app": pages_app(_flask_app)},
            *(
                {"name": f"Couture Workflow API: {noun}", "url_prefix": paths.APIS[noun], "app": app}
                for noun, app in api_apps().items()
            ),
        ]

    @cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the middlewares around all of Airflow's API server, the last one outermost."""
        from couture_workflow.patches.single_writer import SingleWriterMiddleware, needed
        from couture_workflow.web.middleware import (
            ClientAddressMiddleware,
            LogoutMiddleware,
            NavFilterMiddleware,
            StartMiddleware,
        )
        from couture_workflow.web.personal.view import arrival

        entries = [str(entry["name"]) for entry in (*self.external_views, *self.react_apps)]
        return [
            {
                "name": "Couture Workflow start",
                "middleware": StartMiddleware,
                "kwargs": {"entries": entries},
            },
            *(
                [
                    {
                        "name": "Couture Workflow single writer",
                        "middleware": SingleWriterMiddleware,
                        "kwargs": {"path_of": paths.route_path},
                    }
                ]
                if needed()
                else []
            ),
            {"name": "Couture Workflow menu filter", "middleware": NavFilterMiddleware},
            {"name": "Couture Workflow log-out", "middleware": LogoutMiddleware},
            *arrival(),
            {"name": "Couture Workflow client address", "middleware": ClientAddressMiddleware},
        ]


def _flask_app() -> Any:
    from couture_workflow.views import PAGES
    from couture_workflow.web.flask_app import make_flask_app

    return make_flask_app(PAGES)
