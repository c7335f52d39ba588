"""How fast the page with 10,000 dependencies is, beside Airflow's own connections with 10,000 rows.

Both are asked of one server by one client with one log-in. Ours is the page as it is served, rows included;
Airflow's is the request for the first 50 rows that its page makes, without the page around them.
"""

from __future__ import annotations

from functools import partial

import httpx

from benchmarks.measure import Result, in_turn, p95
from benchmarks.server import Server, api_server, time_of_page

FILES = 10_000
ROUNDS = 100

#: Filling is not measured, so it does not wait for the disk after each file.
PUT_FILES = """
import os, sys
os.fsync = lambda file: None
from couture_workflow.store.home import Store
files = Store.open().dependencies
for number in range(int(sys.argv[1])):
    files.put(f"library-{number:05}.jar", [b"PK" + str(number).encode()], user="admin")
print(len(files.list()))
"""

PUT_CONNECTIONS = """
import sys
from airflow.models import Connection
from airflow.utils.session import create_session
with create_session() as session:
    session.add_all(
        Connection(conn_id=f"connection-{number:05}", conn_type="http", host="example.org")
        for number in range(int(sys.argv[1]))
    )
print(sys.argv[1])
"""


def run() -> list[Result]:
    """Fill a server, then measure both pages in turn."""
    with api_server() as server:
        server.run(PUT_FILES, str(FILES))
        server.run(PUT_CONNECTIONS, str(FILES))
        ours, theirs = _measure(server)
    return [
        Result(
            "page of 10,000 files over Airflow's connections (p95)",
            f"{ours * 1000:.0f} ms",
            f"10,000 connections {theirs * 1000:.0f} ms",
            ours / theirs,
            1,
        ),
        Result("page of 10,000 files (p95)", f"{ours * 1000:.0f} ms", "", ours * 1000, 200, "ms"),
    ]


def _measure(server: Server) -> tuple[float, float]:
    headers = {"Authorization": f"Bearer {server.token}"}
    with (
        httpx.Client(base_url=server.url, cookies={"_token": server.token}, timeout=60) as browser,
        httpx.Client(base_url=server.url, headers=headers, timeout=60) as client,
    ):
        ours, theirs = in_turn(
            ROUNDS,
            partial(time_of_page, browser, "/couture/spark-dependencies/", "library-00000.jar"),
            partial(time_of_page, client, "/api/v2/connections?limit=50", "connection-00000"),
        )
    return p95(ours), p95(theirs)
