"""The doctor's look at Kerberos: the krb5.conf, and whether the KDC still takes each keytab."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.kerberos import configuration, keytabs, tickets
from couture_workflow.services.kerberos.keytabs import Keytab
from couture_workflow.services.kerberos.tickets import Tried
from couture_workflow.store.home import Store

PAGE = "Admin > Kerberos Configuration"

#: Log-ins that are tried at the same time; each ends after ten seconds.
_PARALLEL = 8


def look(store: Store) -> Iterator[tuple[str, str, str]]:
    """Return what is at fault, the problem and the remedy; nothing is asked of a KDC without keytabs."""
    kept = keytabs.listed(store)
    for name, problem in keytabs.problems(store).items():
        yield f"keytab {name}", problem, f"Upload it again in {PAGE}."
    text = configuration.read(store).text
    for remark in configuration.errors(text) if text else ():
        yield configuration.PATH, remark.message, f"Correct it in {PAGE}."
    with ThreadPoolExecutor(_PARALLEL) as pool:
        for keytab, outcome in zip(kept, pool.map(partial(_tried, store), kept), strict=True):
            if outcome is not None and not outcome.ok:
                yield f"keytab {keytab.name}", outcome.cause, outcome.remedy
            if keytab.is_weak:
                remedy = f"Have a new keytab with aes256-cts keys made, and upload it in {PAGE}."
                yield f"keytab {keytab.name}", "Its keys are of weak encryption types alone.", remedy


def _tried(store: Store, keytab: Keytab) -> Tried | None:
    """Try to log in; None if the keytab was deleted meanwhile."""
    try:
        return tickets.attempt(store, keytab.name)
    except CoutureError:
        return None
