"""REST API of the code artifacts; ``files`` has the routes."""

from __future__ import annotations

from couture_workflow.api.files import make_router
from couture_workflow.services.artifacts import KIND

router = make_router(KIND)
