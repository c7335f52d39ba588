"""The page *Zoom*: the graph of a DAG with live states, and through its tasks into the DAGs that they run."""

from __future__ import annotations

from typing import Any

from flask import g, jsonify, request

from couture_workflow.permissions import ZOOM
from couture_workflow.views.base import CouturePage, expose, number_asked, requires
from couture_workflow.web.runs import graph as dag_runs
from couture_workflow.web.security import allowed


class ZoomPage(CouturePage):
    """A tab of Airflow's own pages of a DAG, a run and a task."""

    route_base = "/zoom"
    title = "Zoom"

    @expose("/<dag_id>")
    @requires(ZOOM)
    def index(self, dag_id: str) -> str:
        """Show a DAG, zoomed in at the task that the address names."""
        return self.page(
            "runs/zoom.html",
            title=f"Zoom into {dag_id}",
            dag_id=dag_id,
            run_id=request.args.get("run_id", ""),
            task_id=request.args.get("task_id", ""),
            map_index=number_asked("map_index", -1, least=-1),
            data=_graph(dag_id),
        )

    @expose("/<dag_id>/graph")
    @requires(ZOOM)
    def graph(self, dag_id: str) -> Any:
        """Return the graph with the states of the run asked for, or of the newest one."""
        return jsonify(_graph(dag_id))


def _graph(dag_id: str) -> dict[str, Any]:
    def may_read(child: str) -> bool:
        return allowed(g.user, ZOOM, dag_id=child)

    return dag_runs.graph(dag_id, request.args.get("run_id") or None, may_read=may_read)
