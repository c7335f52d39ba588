"""YARN's ResourceManager for tests that need no cluster: its REST API, on loopback."""

from __future__ import annotations

import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

from couture_workflow.services.spark.hadoop_access import Access
from tests.support.json_answers import JsonAnswers

MINE, OTHER = "application_1700000000000_0007", "application_1700000000000_0008"
#: What a CapacityScheduler and a FairScheduler tell of their queues.
CAPACITY: dict[str, object] = {
    "type": "capacityScheduler",
    "queueName": "root",
    "queues": {
        "queue": [
            {"queueName": "default", "queuePath": "root.default"},
            {
                "queueName": "etl",
                "queuePath": "root.etl",
                "queues": {"queue": [{"queueName": "night", "queuePath": "root.etl.night"}]},
            },
        ]
    },
}
FAIR: dict[str, object] = {
    "type": "fairScheduler",
    "rootQueue": {"queueName": "root", "childQueues": {"queue": [{"queueName": "root.default"}]}},
}


class Cluster:
    """A ResourceManager: two applications that run, and its scheduler.

    ``appears``: how often MINE is not known yet; ``refuses``: nothing may be ended; ``asked``: whose end
    was asked for; ``largest``: the most memory of a container.
    """

    def __init__(self) -> None:
        self.states = {MINE: "RUNNING", OTHER: "RUNNING"}
        self.asked: list[str] = []
        self.appears = 0
        self.refuses = False
        self.largest = 4096
        self.scheduler: dict[str, object] = CAPACITY
        handler = type("Handler", (_Handler,), {"cluster": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def access(self, folder: Path) -> Access:
        """Return what leads here."""
        address = f"127.0.0.1:{self.server.server_port}"
        return Access("g", None, folder, {"yarn.resourcemanager.webapp.address": address})


class _Handler(JsonAnswers):
    cluster: Cluster

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        if name == "scheduler":
            self.answer(200, {"scheduler": {"schedulerInfo": self.cluster.scheduler}})
        elif name == MINE and self.cluster.appears > 0:
            self.cluster.appears -= 1
            self.answer(404, {})
        elif name in self.cluster.states:
            self.answer(200, {"app": {"id": name, "state": self.cluster.states[name]}})
        else:
            self.answer(404, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        most = {"memory": self.cluster.largest, "vCores": 4}
        self.answer(200, {"application-id": OTHER, "maximum-resource-capability": most})

    def do_PUT(self) -> None:
        self.cluster.asked.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.partition("?")[0].split("/")[-2]
        if self.cluster.refuses:
            self.answer(403, {"RemoteException": {"message": "not yours"}})
            return
        self.cluster.states[name] = "KILLED"
        self.answer(202, {})
