"""The page *Jupyter Notebook*: JupyterLab in Airflow's frame, and what is to be seen while it starts."""

from __future__ import annotations

from urllib.parse import unquote

from flask import g, request

from couture_workflow.views.base import CouturePage, expose, requires
from couture_workflow.web.jupyter.people import CAN_OPEN, base_path, person_of
from couture_workflow.web.paths import PAGES


class JupyterNotebookPage(CouturePage):
    """The page. Its script starts the server."""

    route_base = "/jupyter-notebook"
    title = "Jupyter Notebook"
    summary = "JupyterLab with a server of your own: write and run notebooks."
    icon = "notebook"
    group = "Build"
    permission = CAN_OPEN

    @expose("/")
    @requires(CAN_OPEN)
    def index(self) -> str:
        """Show JupyterLab in a frame."""
        return self.page("jupyter/lab.html", lab=_address("lab"), goal="")

    @expose("/start")
    @requires(CAN_OPEN)
    def start(self) -> str:
        """Start the server, then go where ``next`` says: what a tab shows that found no server."""
        base = base_path(person_of(g.user))
        wanted = request.args.get("next", "")
        parts = unquote(wanted).replace("\\", "/").split("/")  # browsers take a \ for a /
        own = wanted.startswith(base) and wanted.isprintable() and not {".", ".."}.intersection(parts)
        goal = _address(wanted.removeprefix(base) if own else "lab")
        return self.page("jupyter/lab.html", lab=_address("lab"), goal=goal)


def _address(below: str) -> str:
    """Return an address of the caller's JupyterLab."""
    return f"{request.script_root.removesuffix(PAGES)}{base_path(person_of(g.user))}{below}"
