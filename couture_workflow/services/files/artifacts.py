"""Code artifacts: the jobs themselves, which a task names as its ``code_artifact``."""

from __future__ import annotations

from couture_workflow.permissions import CODE_ARTIFACTS
from couture_workflow.services.files.kinds import FileKind

KIND = FileKind(
    noun="artifacts",
    one="code artifact",
    resource=CODE_ARTIFACTS,
    suffixes=(".jar", ".py", ".zip", ".whl"),
    task_fields=("code_artifact",),
)
