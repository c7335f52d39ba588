"""What must be there for a source to be saved: its file, its Hadoop group; and options without secrets."""

from __future__ import annotations

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.services.eda import data
from couture_workflow.services.eda.document import Source
from couture_workflow.services.hadoop import groups
from couture_workflow.services.spark import configuration
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote


def check(store: Store, source: Source) -> None:
    """Raise ``InvalidError`` with the field if a source cannot be saved as it is."""
    if source.kind == "file":
        data.check(store, source)
    elif source.kind == "spark":
        check_options(source)
        _check_group(store, source.spark.hadoop_group)


def check_options(source: Source) -> None:
    """Raise if an option of Spark's reader looks like a secret, which a source would show to every reader."""
    for name in source.spark.options:
        if configuration.is_secret(name):
            raise InvalidError(
                f"The option {quote(name)} looks like a secret, which whoever reads the source would see. "
                "An administrator can set it in Spark Configuration, where it is sealed.",
                field="spark.options",
            )


def _check_group(store: Store, group: str) -> None:
    if not group:
        return
    try:
        groups.get(store, group)
    except NotFoundError as error:
        raise InvalidError(
            f"There is no Hadoop group {quote(group)}. Leave it empty for the default one, or ask an "
            "administrator for its name.",
            field="spark.hadoop_group",
        ) from error
