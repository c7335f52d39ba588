"""What the form of a source is made of, for a new one and for one that exists."""

from __future__ import annotations

import json
from typing import Any

from couture_workflow import settings
from couture_workflow.permissions import CREATE, DELETE, EDA, EDIT, HADOOP_CONFIGURATION, READ, Permission
from couture_workflow.services.eda import data, document, reading
from couture_workflow.services.eda.document import Source
from couture_workflow.services.hadoop import groups as hadoop_groups
from couture_workflow.web.eda import connections
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

#: Uploaded files that the form offers; any other can be typed.
_OFFERED = 500


def form_context(source: Source, *, base: str | None, user: Any) -> dict[str, Any]:
    """Return what ``eda/source.html`` shows of a source.

    :param base: version of the configurations that it was read from; None: it is new.
    """
    rights = {
        "create": allowed(user, Permission(CREATE, EDA)),
        "edit": allowed(user, Permission(EDIT, EDA)),
        "delete": allowed(user, Permission(DELETE, EDA)),
    }
    writes = rights["edit"] if base else rights["create"]
    reads_hadoop = allowed(user, Permission(READ, HADOOP_CONFIGURATION))
    return {
        "source": source,
        "sql": source.sql,
        "spark": source.spark,
        "rights": rights,
        "writes": writes,
        "state": json.dumps({"source": source.json(), "base": base, "writes": writes, "rights": rights}),
        "files": [file.name for file in store().data.list()[:_OFFERED]],
        "folders": [str(folder) for folder in settings.eda_folders()],
        "suffixes": data.KIND.suffixes,
        "most_bytes": settings.max_upload_size(),
        "formats": document.FORMATS,
        "spark_formats": document.SPARK_FORMATS,
        "encodings": reading.ENCODINGS,
        "types": reading.TYPES,
        "most_sample_rows": document.MOST_SAMPLE_ROWS,
        "connections": connections.listed(user),
        "hadoop_groups": [group.name for group in hadoop_groups.listed(store())] if reads_hadoop else [],
        "hadoop_default": hadoop_groups.default_name(store()) if reads_hadoop else None,
    }
