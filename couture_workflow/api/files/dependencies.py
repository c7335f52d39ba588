"""REST API of the Spark dependencies; ``files`` and ``archives`` have the routes."""

from __future__ import annotations

from couture_workflow.api.archives import add_archive
from couture_workflow.api.files import make_router
from couture_workflow.services.dependencies import KIND

router = make_router(KIND)
add_archive(router, "dependencies")
