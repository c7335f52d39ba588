"""Pages, API mounts and middlewares: registration only. Every process imports it: nothing heavy here."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

#: What calls listeners in Airflow's services; a task has listeners of its own, and its process may have been
#: forked off the scheduler.
_OF_SERVICES = "airflow.listeners.listener"


def model_path(reference: str) -> str:
    """Return the path of a version of a trained model on this machine: its folder, or its file.

    :param reference: ``name``, for the newest version, or ``name@3``.
    """
    from couture_workflow.services.models import jobs
    from couture_workflow.store.home import Store

    return str(jobs.path(Store.open(), reference))


class CouturePlugin(AirflowPlugin):
    """The one plugin of this package."""

    name = "couture_workflow"
    #: In templates: ``{{ macros.couture_workflow.model_path("penguins@3") }}``.
    macros: list[Any] = [model_path]

    # Airflow makes an instance of this class; only the API server and `airflow plugins` read those below.
    # What they need is imported there: `tests/test_plugin.py` names what may be imported before.

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the entries of the menu and the tabs on Airflow's pages."""
        from couture_workflow.web import menu

        return menu.entries()

    @cached_property
    def react_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the bar above the list of Dags, if this is a person's stack."""
        from couture_workflow.services.personal import view as personal_view

        if not (view := personal_view.present()).user:
            return []
        from couture_workflow.web.personal.view import bar

        return [bar(view)]

    @cached_property
    def deadline_references(self) -> list[Any]:  # type: ignore[override]
        """Return what deadlines of ours are counted from: processes read it that meet such a deadline."""
        from couture_workflow.web.sla.due import IntervalEnd

        return [IntervalEnd]

    @property
    def listeners(self) -> list[Any]:  # type: ignore[override]
        """Return who hears what happens: in the scheduler the keeper of deadlines, where tasks run nobody.

        Airflow leaves some of its short ways for tasks when anybody listens there.
        """
        if "airflow.jobs.scheduler_job_runner" not in sys.modules or not _is_asked_by(_OF_SERVICES):
            return []
        from couture_workflow.web.sla import ended

        return [ended]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the applications to mount: the pages and one REST API for each noun."""
        from couture_workflow.api.app import api_apps
        from couture_workflow.patches import client_address, ended_tokens, signing_key
        from couture_workflow.web import audit, log_in_limit
        from couture_workflow.web.app import pages_app
        from couture_workflow.web.jupyter.proxy import jupyter_app
        from couture_workflow.web.ldap import applying as ldap_applying
        from couture_workflow.web.paths import APIS, JUPYTER, PAGES

        audit.listen_to_log_ins()
        log_in_limit.listen()
        client_address.listen()
        signing_key.keep()
        ended_tokens.end()
        ldap_applying.take_over()
        return [
            {"name": "Couture Workflow pages", "url_prefix": PAGES, "app": pages_app(_flask_app)},
            {"name": "Couture Workflow JupyterLab", "url_prefix": JUPYTER, "app": jupyter_app()},
            *(
                {"name": f"Couture Workflow API: {noun}", "url_prefix": APIS[noun], "app": app}
                for noun, app in api_apps().items()
            ),
        ]

    @cached_property
    def fastapi_root_middlewares(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Return the middlewares around all of Airflow's API server, the last one outermost."""
        from couture_workflow.patches.single_writer import SingleWriterMiddleware, needed
        from couture_workflow.web import paths
        from couture_workflow.web.bodies import BodyMiddleware
        from couture_workflow.web.log_in_limit import LogInLimitMiddleware
        from couture_workflow.web.middleware import (
            AddressMiddleware,
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
            {"name": "Couture Workflow log-in limit", "middleware": LogInLimitMiddleware},
            {"name": "Couture Workflow bodies", "middleware": BodyMiddleware},
            {"name": "Couture Workflow addresses", "middleware": AddressMiddleware},
            {"name": "Couture Workflow client address", "middleware": ClientAddressMiddleware},
        ]


def _is_asked_by(module: str) -> bool:
    """Tell whether what is run now was called from a module, however far away."""
    frame: Any = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__") != module:
        frame = frame.f_back
    return frame is not None


def _flask_app() -> Any:
    from couture_workflow.views import PAGES
    from couture_workflow.web.flask_app import make_flask_app

    return make_flask_app(PAGES)
