"""An API server of Kubernetes that lets nobody make a pod, and keeps what it was asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.support.json_answers import JsonAnswers


@contextmanager
def refusing_cluster(kubeconfig: Path) -> Iterator[list[dict[str, Any]]]:
    """Run the server, write a file that leads to it, and give the pods that it was asked to make."""
    asked: list[dict[str, Any]] = []

    class Handler(JsonAnswers):
        def do_GET(self) -> None:
            self.answer(200, {"kind": "PodList", "apiVersion": "v1", "items": []})

        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            message = "pods is forbidden: the service account cannot create pods"
            self.answer(403, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message})

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "users": [{"name": "test", "user": {"token": "x"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }  # fmt: skip
        kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()
