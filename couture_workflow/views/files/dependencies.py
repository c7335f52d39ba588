"""The page *Developer > Spark Dependencies*: jars and Python files that jobs get (``pages`` does it)."""

from __future__ import annotations

from couture_workflow.permissions import READ, SPARK_DEPENDENCIES, Permission
from couture_workflow.services.files.dependencies import KIND
from couture_workflow.views.base import expose, requires
from couture_workflow.views.files.pages import FilesPage

CAN_READ = Permission(READ, SPARK_DEPENDENCIES)


class SparkDependenciesPage(FilesPage):
    """The dependencies."""

    route_base = "/spark-dependencies"
    title = "Spark Dependencies"
    summary = "Jars and Python files that Spark jobs get beside their own code."
    icon = "package"
    group = "Build"
    permission = CAN_READ
    kind = KIND
    hint = "Jobs get those that the Spark Configuration page lists, or that a task names in jars or py_files."

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
