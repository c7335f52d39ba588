"""The pages, in the order of the hub's cards."""

from __future__ import annotations

from couture_workflow.views.archives import ImportExportPage
from couture_workflow.views.artifacts import CodeArtifactsPage
from couture_workflow.views.base import CouturePage
from couture_workflow.views.bricks import CodeBricksPage
from couture_workflow.views.dag_editor import DagEditorPage
from couture_workflow.views.dag_history import DagHistoryPage
from couture_workflow.views.dag_repository import DagRepositoryPage
from couture_workflow.views.dag_review import DagReviewPage
from couture_workflow.views.dags import ManageDagsPage
from couture_workflow.views.dependencies import SparkDependenciesPage
from couture_workflow.views.hub import DeveloperHubPage
from couture_workflow.views.runs import RunsPage
from couture_workflow.views.spark_configuration import SparkConfigurationPage
from couture_workflow.views.zoom import ZoomPage

PAGES: tuple[type[CouturePage], ...] = (
    DeveloperHubPage,
    ManageDagsPage,
    DagEditorPage,
    DagReviewPage,
    DagHistoryPage,
    CodeBricksPage,
    CodeArtifactsPage,
    DagRepositoryPage,
    SparkConfigurationPage,
    SparkDependenciesPage,
    ImportExportPage,
    RunsPage,
    ZoomPage,
)
