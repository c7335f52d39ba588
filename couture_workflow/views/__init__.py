"""The pages, in the order of the hub's cards, and the groups that the hub has them in."""

from __future__ import annotations

from couture_workflow.views.archives.import_export import ImportExportPage
from couture_workflow.views.base import CouturePage
from couture_workflow.views.bricks.library import CodeBricksPage
from couture_workflow.views.dags.history import DagHistoryPage
from couture_workflow.views.dags.manage import ManageDagsPage
from couture_workflow.views.eda.compare import EdaComparePage
from couture_workflow.views.eda.history import EdaHistoryPage
from couture_workflow.views.eda.report import EdaReportPage
from couture_workflow.views.eda.source import EdaSourcePage
from couture_workflow.views.eda.sources import EdaSourcesPage
from couture_workflow.views.editor.edit import DagEditorPage
from couture_workflow.views.files.artifacts import CodeArtifactsPage
from couture_workflow.views.files.dependencies import SparkDependenciesPage
from couture_workflow.views.git.repository import DagRepositoryPage
from couture_workflow.views.hadoop.configuration import HadoopConfigurationPage
from couture_workflow.views.hub import DeveloperHubPage
from couture_workflow.views.jupyter.lab import JupyterNotebookPage
from couture_workflow.views.jupyter.servers import JupyterServersPage
from couture_workflow.views.kerberos.configuration import KerberosConfigurationPage
from couture_workflow.views.ldap.configuration import LdapConfigurationPage
from couture_workflow.views.mail.settings import MailPage
from couture_workflow.views.models.trained import TrainedModelsPage
from couture_workflow.views.review.review import DagReviewPage
from couture_workflow.views.runs.compare import CompareRunsPage
from couture_workflow.views.runs.details import RunsPage
from couture_workflow.views.runs.listing import RunListPage
from couture_workflow.views.runs.output import RunOutputPage
from couture_workflow.views.runs.zoom import ZoomPage
from couture_workflow.views.schedules.pages import NotebookSchedulesPage
from couture_workflow.views.sla.misses import SlaMissesPage
from couture_workflow.views.spark.configuration import SparkConfigurationPage

PAGES: tuple[type[CouturePage], ...] = (
    DeveloperHubPage,
    ManageDagsPage,
    DagEditorPage,
    DagReviewPage,
    DagHistoryPage,
    CodeBricksPage,
    CodeArtifactsPage,
    JupyterNotebookPage,
    JupyterServersPage,
    NotebookSchedulesPage,
    DagRepositoryPage,
    SparkConfigurationPage,
    SparkDependenciesPage,
    EdaSourcesPage,
    EdaSourcePage,
    EdaHistoryPage,
    EdaComparePage,
    EdaReportPage,
    TrainedModelsPage,
    HadoopConfigurationPage,
    ImportExportPage,
    KerberosConfigurationPage,
    LdapConfigurationPage,
    MailPage,
    RunListPage,
    SlaMissesPage,
    RunsPage,
    RunOutputPage,
    CompareRunsPage,
    ZoomPage,
)

#: What people do, in the order of the hub. A page names its group; one without a page is not shown.
GROUPS = ("Build", "Run", "Data and models", "Administer")
