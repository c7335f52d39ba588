"""The doctor's look at Hadoop groups: those that no client could use as they are."""

from __future__ import annotations

from collections.abc import Iterator

from couture_workflow.services.hadoop import groups, pages
from couture_workflow.services.kerberos import keytabs
from couture_workflow.store.home import Store

PAGE = "Admin > Hadoop Configuration"


def look(store: Store) -> Iterator[tuple[str, str, str]]:
    """Return what is at fault, the problem and the remedy."""
    here = keytabs.names(store)
    for group in groups.listed(store):
        what = f"Hadoop group {group.name}"
        _, refused = groups.read(groups.contents(store, group.name))
        for problem in refused.values():
            yield what, problem, f"Correct or delete the file in {PAGE}."
        if pages.CORE not in group.files:
            problem = f"It has no {pages.CORE}, so Hadoop's clients and Spark jobs fail with it."
            yield what, problem, f"Upload the one of the cluster in {PAGE}, or delete the group."
        if group.keytab and group.keytab not in here:
            problem = f"It asks for the keytab {group.keytab}, which is not here."
            yield (
                what,
                problem,
                f"Upload it in Admin > Kerberos Configuration, or choose another one in {PAGE}.",
            )
