"""REST API of the Spark dependencies; ``routes`` and ``archives.routes`` have them."""

from __future__ import annotations

from couture_workflow.api.archives.routes import add_archive
from couture_workflow.api.files.routes import make_router
from couture_workflow.services.files.dependencies import KIND

router = make_router(KIND)
add_archive(router, "dependencies")
