"""Archives of all configurations, on ``/api/configs`` itself."""

from __future__ import annotations

from fastapi import APIRouter

from couture_workflow.api.archives.routes import add_archive

router = APIRouter()
add_archive(router, "configs")
