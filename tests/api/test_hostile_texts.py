"""Text of a hundred kilobytes that is made to be slow, at every way in: the server answers others."""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import quote

import httpx
import pytest

from tests.support.api_server import ApiServer
from tests.support.people_notebooks import notebook, write

pytestmark = pytest.mark.slow

#: Bytes of a hostile text.
SIZE = 100_000
#: Seconds within which the health check answers, on a machine that does something else as well.
PATIENCE = 10.0
#: Seconds within which the call itself is done, one way or another.
DONE = 120.0

TEXTS = {
    "a module of many parts": "import " + "a." * (SIZE // 2),
    "the same inside of a docstring": '"""\nimport '
    + "a." * (SIZE // 2)
    + '\n"""\nfrom airflow.sdk import DAG\n',
    "dots": "from " + "." * SIZE,
    "blanks": "from" + " " * SIZE + "import x",
    "brackets and bars": "(|" * (SIZE // 2),
    "open brackets": "(" * SIZE,
    "calls": "DAG(" * (SIZE // 4),
    "operators": "x = 1" + " and 1" * (SIZE // 6),
    "attributes": "x = a" + ".b" * (SIZE // 2),
    "templates": "{{" * (SIZE // 2),
    "tags": "<property><name>" * (SIZE // 16),
    "options": "-D" * (SIZE // 2),
    "letters": "a" * SIZE,
    "addresses": "a://b:" * (SIZE // 6),
    "secrets": "secret" * (SIZE // 6),
    "lines": "a\n" * (SIZE // 2),
    "aliases": "a: &a [x]\n" + "".join(f"b{n}: [*a, *a, *a]\n" for n in range(SIZE // 20)),
    "brackets of JSON": "[" * SIZE,
    "nulls": "\0" * SIZE,
}

#: How a text is sent, given a client that is logged in as an admin and the headers of a page's call.
Way = Callable[[httpx.Client, dict[str, str], str], httpx.Response]


def archive(member: str) -> Way:
    """Return the import of an archive with the text as a member."""

    def send(client: httpx.Client, _: dict[str, str], text: str) -> httpx.Response:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:gz") as made:
            header = tarfile.TarInfo(member)
            header.size = len(text.encode())
            made.addfile(header, io.BytesIO(text.encode()))
        noun = "dags" if member.endswith(".py") else "configs"
        params = {"dry_run": "true", "upgrade": "true"}
        headers = {"content-type": "application/gzip"}
        return client.post(f"/api/{noun}/", content=target.getvalue(), params=params, headers=headers)

    return send


def document(server: ApiServer, text: str) -> None:
    """Make the text a notebook of the admin, and a cell of parameters of another one."""
    home = server.store().root
    write(home, "admin/text.ipynb", text)
    write(home, "admin/cell.ipynb", notebook((text, ["parameters"])))


def hadoop_file(client: httpx.Client, _: dict[str, str], text: str) -> httpx.Response:
    """Save a file of a group, which is there after the first time."""
    client.post("/api/hadoop/groups", json={"name": "hostile"})
    content = f"<configuration><!--{text}--><property>{text}</property></configuration>"
    return client.put("/api/hadoop/groups/hostile/files/core-site.xml", content=content.encode())


def schedule(**fields: object) -> Way:
    """Return the check of a form of a schedule in which ``TEXT`` stands for the text."""
    form = {"name": "hostile", "notebook": "admin/cell.ipynb", "parameters": {"p": "TEXT"}, **fields}
    return lambda client, _, text: client.post("/api/notebooks/schedules/check", json=filled(form, text))


def put(path: str) -> Way:
    """Return the save of the text as a DAG file."""
    return lambda client, _, text: client.put(
        f"/api/dags/files/{quote(path)}", json={"content": text}, params={"override": "true"}
    )


def page(path: str, /, **fields: object) -> Way:
    """Return a call of a page in which ``TEXT`` stands for the text."""
    return lambda client, headers, text: client.post(
        f"/couture{path}", json=filled(fields, text), headers=headers
    )


def filled(value: object, text: str) -> object:
    """Return a body with the text in place of ``TEXT``."""
    if isinstance(value, dict):
        return {name: filled(each, text) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, text) for each in value]
    return text if value == "TEXT" else value


BRICK = {"name": "a", "title": "A", "parameters": [], "code": "TEXT"}
WAYS: dict[str, Way] = {
    "save a DAG": put("hostile.py"),
    "save an ignore file": put(".airflowignore"),
    "save a query": put("query.sql"),
    "save YAML": put("data.yaml"),
    "save JSON": put("data.json"),
    "import a DAG": archive("hostile.py"),
    "import the Spark configuration": archive("spark.yaml"),
    "import Spark's defaults": archive("spark-defaults.conf"),
    "import Hadoop's configuration": archive("hadoop/a/core-site.xml"),
    "import a brick": archive("bricks/a.yaml"),
    "look for problems": page("/dag-editor/problems", path="a.py", content="TEXT"),
    "check": page("/dag-editor/check", path="a.py", content="TEXT"),
    "lay out": page("/dag-editor/format", path="a.py", content="TEXT"),
    "upgrade": page("/dag-editor/upgrade", path="a.py", content="TEXT"),
    "keep a draft": page("/dag-editor/draft", path="a.py", content="TEXT", base=None, expected=None),
    "name a file": page("/manage-dags/name", path="TEXT", old=""),
    "check a brick": page("/code-bricks/check", brick=BRICK),
    "fill a brick": page("/code-bricks/python-task/render", values={"task_id": "TEXT"}),
    "validate settings": lambda client, _, text: client.post(
        "/api/configs/spark/validate", json={"configurations": {"spark.app.x": text, text: "x"}}
    ),
    "save a file of Hadoop": hadoop_file,
    "check a krb5.conf": lambda client, _, text: client.post(
        "/api/kerberos/krb5.conf/check", json={"text": text}, headers={"X-Requested-With": "tests"}
    ),
    "look into a keytab": lambda client, _, text: client.post(
        "/api/kerberos/keytabs/inspect",
        content=b"\x05\x02" + text.encode(),
        headers={"X-Requested-With": "tests"},
    ),
    "preview a command": page(
        "/spark-configuration/check",
        arguments=[{"name": "driver-java-options", "value": "TEXT"}],
        configurations=[{"name": "spark.driver.extraJavaOptions", "value": "TEXT"}],
    ),
    "read a notebook": lambda client, _, __: client.get(
        "/api/notebooks/documents", params={"path": "admin/text.ipynb"}
    ),
    "read the parameters of a notebook": lambda client, _, __: client.get(
        "/api/notebooks/documents", params={"path": "admin/cell.ipynb"}
    ),
    "check a text of a schedule": schedule(types={"p": "str"}),
    "check a list of a schedule": schedule(types={"p": "list"}),
    "check a number of a schedule": schedule(types={"p": "float"}),
    "check an expression of a schedule": lambda client, headers, text: schedule(
        when={"kind": "cron", "cron": text[:1000]}, name=text[:1000], email=text[:1000]
    )(client, headers, text),
    "search": lambda client, _, text: client.get(
        "/couture/manage-dags/search", params={"text": text[:10_000], "regex": "1"}
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run an API server of one process, so that whatever keeps it busy keeps everybody waiting."""
    running = ApiServer(tmp_path_factory.mktemp("hostile"), workers=1)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.mark.timeout(400)
@pytest.mark.parametrize("way", WAYS)
def test_the_server_answers_others_meanwhile(way: str, server: ApiServer, pool: ThreadPoolExecutor) -> None:
    slow: list[str] = []
    asked = {"X-Requested-With": "tests"}
    with (
        server.client("admin", follow_redirects=True, headers=asked) as client,
        httpx.Client(base_url=server.url) as other,
    ):
        client.timeout = httpx.Timeout(DONE)
        token = re.findall(
            r'name="csrf-token" content="([^"]+)"', client.get("/couture/dag-editor/?path=a.py").text
        )
        headers = {"X-CSRFToken": token[0]}
        for name, text in TEXTS.items():
            document(server, text)
            began = time.monotonic()
            answer = pool.submit(WAYS[way], client, headers, text)
            waits = list(health(other, answer))
            status, said = answer.result().status_code, answer.result().text
            if max(waits) > PATIENCE or time.monotonic() - began > DONE or status >= 500:
                slow.append(f"{name}: {status}, health check {max(waits):.1f} s")
            assert status not in (403, 404, 405) and not re.search("Reload the page|Field required", said), (
                said
            )

    assert not slow


def health(client: httpx.Client, answer: Future[httpx.Response]) -> Iterator[float]:
    """Ask for the server's health until there is the answer; iterate over the seconds that it took."""
    while True:
        began = time.monotonic()
        assert client.get("/api/v2/version", timeout=DONE).status_code == 200
        yield time.monotonic() - began
        if answer.done():
            return
