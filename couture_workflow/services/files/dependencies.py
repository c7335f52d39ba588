"""Spark dependencies: jars and Python files that every job, or one that asks for them, gets."""

from __future__ import annotations

from couture_workflow.permissions import SPARK_DEPENDENCIES
from couture_workflow.services.files.kinds import FileKind

KIND = FileKind(
    noun="dependencies",
    one="dependency",
    resource=SPARK_DEPENDENCIES,
    suffixes=(".jar", ".zip", ".egg", ".whl", ".py"),
    task_fields=("jars", "py_files"),
)
