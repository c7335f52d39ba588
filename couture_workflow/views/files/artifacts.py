"""The page *Code Artifacts*: the code of Spark jobs; ``pages`` has what it does."""

from __future__ import annotations

from couture_workflow.permissions import CODE_ARTIFACTS, READ, Permission
from couture_workflow.services.files.artifacts import KIND
from couture_workflow.views.base import expose, requires
from couture_workflow.views.files.pages import FilesPage

CAN_READ = Permission(READ, CODE_ARTIFACTS)


class CodeArtifactsPage(FilesPage):
    """The code artifacts."""

    route_base = "/code-artifacts"
    title = "Code Artifacts"
    summary = "The jars and Python files that are your Spark jobs."
    icon = "code"
    group = "Build"
    permission = CAN_READ
    kind = KIND
    hint = "A task runs the one that it names as its code_artifact."

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the list."""
        return self.show_list()

    @expose("/files/<name>")
    @requires(CAN_READ)
    def file(self, name: str) -> str:
        """Show one of them."""
        return self.show_file(name)
