"""What *Run details* shows of a notebook's run beside what it shows of every run."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from couture_workflow.services.notebooks import opening, outputs, progress
from couture_workflow.services.runs.notebook_use import NotebookUse
from couture_workflow.services.runs.records import Run, RunKey
from couture_workflow.views.runs.addresses import compare_url
from couture_workflow.views.runs.output import frame_path, output_url
from couture_workflow.web.state import store

#: Bytes of a page that is shown in a frame of *Run details*; a larger one waits until somebody asks for it.
_LARGEST_FRAME = 20 * 2**20
#: Cells that the page lists.
_MOST_CELLS = 500

_LABELS = {
    outputs.NOTEBOOK: "Notebook",
    outputs.HTML: "HTML",
    outputs.HTML_WITHOUT_CODE: "HTML without code",
}


def shown(run: Run) -> dict[str, Any]:
    """Return what the template needs of a notebook's run; nothing of another one's."""
    if run.kind != "notebook":
        return {}
    key, use = run.key, run.notebook or NotebookUse()
    present = opening.present(store(), run)
    pages = {code: name for code, name in ((True, outputs.HTML), (False, outputs.HTML_WITHOUT_CODE))}
    found = {code: present[name] for code, name in pages.items() if name in present}
    return {
        "notebook": {
            "use": use,
            "cells": use.cells[:_MOST_CELLS],
            "cells_left_out": max(0, max(use.of, len(use.cells)) - _MOST_CELLS),
            "longest": max((cell.seconds or 0.0 for cell in use.cells), default=0.0),
            "whole": [(name, label, present[name]) for name, label in _LABELS.items() if name in present],
            "files": [(name, size) for name, size in present.items() if name not in _LABELS],
            "pages": found,
            "best": True in found and (use.failed_cell is not None or False not in found),
            "largest_frame": _LARGEST_FRAME,
            "progress": progress.read(store(), key) if run.state == "running" else None,
        },
        "frames": {code: frame_path(key, code=code) for code in found},
        "output_urls": {code: output_url(key, code=code) for code in found},
        "downloads": {name: download_path(key, name) for name in present},
        "compare_url": compare_url(key),
    }


def download_path(key: RunKey, name: str) -> str:
    """Return the path of an output in the REST API, below its root."""
    ids = "/".join(quote(part, safe="") for part in (key.dag_id, key.run_id, key.task_id))
    query = urlencode({"map_index": key.map_index, "try_number": key.try_number})
    return f"/runs/{ids}/outputs/{quote(name, errors='replace')}?{query}"
