"""The page *Jupyter Servers*: who has a Jupyter server now, and the way to stop one."""

from __future__ import annotations

from couture_workflow.views.base import CouturePage, expose, requires
from couture_workflow.web.jupyter.people import CAN_STOP


class JupyterServersPage(CouturePage):
    """The page. Its script gets the list from the REST API."""

    route_base = "/jupyter-servers"
    title = "Jupyter Servers"
    summary = "Who works in JupyterLab now, with how much memory, and the way to stop a server."
    icon = "servers"
    group = "Administer"
    permission = CAN_STOP

    @expose("/")
    @requires(CAN_STOP)
    def index(self) -> str:
        """Show the list."""
        return self.page("jupyter/servers.html")
