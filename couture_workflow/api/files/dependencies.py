"""REST API of the Spark dependencies; ``routes`` has the routes."""

from __future__ import annotations

from couture_workflow.api.files.routes import make_router
from couture_workflow.services.files.dependencies import KIND

router = make_router(KIND)
