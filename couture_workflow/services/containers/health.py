"""Health of a service that answers nobody: whether its heartbeat in the database is fresh.

``airflow jobs check`` tells the same, and takes some seconds of CPU for it in each container, again and
again.
"""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

from couture_workflow.exceptions import StartError
from couture_workflow.services.containers import init, secrets

#: Seconds after which a heartbeat counts as missed; they come every five.
SILENCE = 60

_QUERY = """
SELECT TIMESTAMPDIFF(SECOND, MAX(latest_heartbeat), UTC_TIMESTAMP()) FROM job
WHERE job_type = %s AND state = 'running' AND hostname IN (%s, %s)
"""


def check(job_type: str, root: Path = secrets.ROOT) -> str:
    """Return how old the heartbeat of this container's job is, in words.

    :param job_type: Airflow's name of it, such as ``TriggererJob``.
    :raises StartError: there is none, or an old one, or the database does not answer.
    """
    import MySQLdb

    url = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN") or secrets.read(
        "airflow/sql_alchemy_conn", root
    )
    if not url.startswith("mysql"):
        return f"The heartbeat of the {job_type} is not looked at: the database is not MySQL."
    try:
        with closing(init.connect(url)) as connection:
            cursor = connection.cursor()
            cursor.execute(_QUERY, (job_type, socket.gethostname(), socket.getfqdn()))
            age = cursor.fetchone()[0]
    except MySQLdb.Error as error:
        raise StartError(f"The database does not answer: {error.args[-1]}.") from error
    if age is None or age > SILENCE:
        found = "none" if age is None else f"one of {age} s ago"
        raise StartError(f"There is no fresh heartbeat of the {job_type} of this container, but {found}.")
    return f"The last heartbeat of the {job_type} is {age} s old."
