"""The page around the output of a notebook's run, which stands in a frame: see ``api.runs.frame``."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from flask import g, request, url_for

from couture_workflow.permissions import RUN_DETAILS
from couture_workflow.services.notebooks import opening, outputs
from couture_workflow.services.runs.records import RunKey
from couture_workflow.views.base import CouturePage, expose, number_asked, requires
from couture_workflow.views.runs.addresses import key_url
from couture_workflow.web.runs import frames
from couture_workflow.web.state import store


class RunOutputPage(CouturePage):
    """The page."""

    route_base = "/runs"
    title = "Run output"
    default_view = "output"

    @expose("/<dag_id>/<run_id>/<task_id>/output")
    @requires(RUN_DETAILS)
    def output(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Show the output of a try; ``code=0`` without the code."""
        map_index, try_number = (
            number_asked("map_index", -1, least=-1),
            number_asked("try_number", 1, least=1),
        )
        key, code = RunKey(dag_id, run_id, task_id, map_index, try_number), request.args.get("code") != "0"
        name = outputs.HTML if code else outputs.HTML_WITHOUT_CODE
        opening.opened(store(), key, name).close()
        return self.page(
            "runs/run_output.html",
            title=f"Output of {task_id} in {dag_id}",
            key=key,
            code=code,
            frame=frame_path(key, code=code),
            run_url=key_url(key),
        )


def output_url(key: RunKey, *, code: bool) -> str:
    """Return the address of the page around the frame."""
    return url_for("RunOutputPage.output", **_address(key, code=code))


def frame_path(key: RunKey, *, code: bool) -> str:
    """Return the path for a frame, below the root of the REST API; good for this request's account alone."""
    ids = "/".join(quote(part, safe="") for part in (key.dag_id, key.run_id, key.task_id))
    rest = {name: value for name, value in _address(key, code=code).items() if not name.endswith("_id")}
    return f"/runs/{ids}/frame?{urlencode({**rest, 'ticket': frames.ticket(g.user, key)})}"


def _address(key: RunKey, *, code: bool) -> dict[str, Any]:
    return {
        "dag_id": key.dag_id,
        "run_id": key.run_id,
        "task_id": key.task_id,
        "map_index": key.map_index,
        "try_number": key.try_number,
        "code": int(code),
    }
