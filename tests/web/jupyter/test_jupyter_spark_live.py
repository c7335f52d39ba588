"""Spark in a kernel of a real server behind its walls: the example reads and plots, and no JVM is left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest

from couture_workflow.services.jupyter import place
from couture_workflow.services.notebooks import examples
from tests.support.api_server import ApiServer
from tests.support.jupyter import Lab, execute, host_of, outputs, wait_for
from tests.support.jupyter_runtime import jupyter_or_skip
from tests.support.spark import processes_of, runtime_or_skip

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(api_server: ApiServer) -> Iterator[Lab]:
    jupyter_or_skip()
    runtime_or_skip()
    with host_of(api_server):
        opened = Lab(api_server.url, "dev", api_server.token("dev"))
        opened.start()
        yield opened
        opened.close()


@pytest.fixture
def jvms(api_server: ApiServer) -> Any:
    """Return a function that tells the JVMs of all people's servers."""
    state = str(place.state_folder(api_server.home / "couture"))

    def found() -> list[psutil.Process]:
        java = []
        for pid in processes_of(state):
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                java += [process] if process.name() == "java" else []
        return java

    return found


def code_of(stem: str) -> list[str]:
    """Return the code cells of an example."""
    (path,) = [path for path in examples.shipped() if path.stem == stem]
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_example_reads_plots_and_links_sparks_page_and_its_jvm_ends_with_the_kernel(
    lab: Lab, jvms: Any
) -> None:
    *cells, stop = code_of("spark_example")
    assert "spark.stop()" in stop
    kernel = lab.kernel()
    with lab.channels(kernel) as socket:
        told = [each for cell in cells for each in outputs(socket, cell)]

        printed = "".join(content["text"] for kind, content in told if kind == "stream")
        shown = [content["data"] for kind, content in told if kind in ("display_data", "execute_result")]
        assert re.search(r"3\d\d of 344 penguins weigh 3000 g or more", printed)
        assert any("Torgersen" in data.get("text/html", "") for data in shown)
        assert any("image/png" in data for data in shown)
        (page,) = {
            found for data in shown for found in re.findall(r'href="(http[^"]+)"', data.get("text/html", ""))
        }
        assert httpx.get(page, follow_redirects=True, timeout=60).status_code == 200
        assert execute(socket, "print(spark_session().range(10).count())") == "10\n"
    assert len(jvms()) == 1

    assert lab.http.delete(f"{lab.base}/api/kernels/{kernel}").status_code == 204

    wait_for(lambda: jvms() == [], seconds=60)


def test_a_killed_kernel_takes_its_jvm_with_it(lab: Lab, jvms: Any) -> None:
    kernel = lab.kernel()
    with lab.channels(kernel) as socket:
        code = "from couture import spark_session\nprint(spark_session(master='local[1]').range(10).count())"
        assert execute(socket, code) == "10\n"
        (jvm,) = jvms()
        owner = jvm.parent()
        assert owner is not None
        assert "ipykernel" in " ".join(owner.cmdline())

        owner.kill()

    wait_for(lambda: jvms() == [], seconds=60)
    assert lab.http.delete(f"{lab.base}/api/kernels/{kernel}").status_code == 204
