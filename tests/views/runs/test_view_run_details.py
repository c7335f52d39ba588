"""The page Run details: what an address may hold, and the command that it offers to copy."""

from __future__ import annotations

import pytest

from couture_workflow.services.runs.records import FileUse
from couture_workflow.views.runs.details import portable
from tests.support.api_server import ApiServer


@pytest.mark.parametrize("number", ["9" * 30, "4294967296", "-5", "x"])
@pytest.mark.parametrize("name", ["map_index", "try_number"])
def test_a_run_that_there_is_not_is_not_found(name: str, number: str, api_server: ApiServer) -> None:
    answer = api_server.client("admin").get("/couture/runs/no/such/task", params={name: number})

    assert answer.status_code == 404
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("command", "copied"),
    [
        (
            "spark-submit --jars /tmp/c-1/jars/a.jar,/tmp/c-1/jars/b.jar /tmp/c-1/application/job.py"
            " /data/jars/a.jar",
            "spark-submit --jars a.jar,b.jar job.py /data/jars/a.jar",
        ),
        (
            "spark-submit --py-files '/srv/my home/x/py-files/r.py' '/srv/my home/x/application/job.py'",
            "spark-submit --py-files r.py job.py",
        ),
        ("spark-submit /opt/other/job.py 'a b' local[*]", "spark-submit /opt/other/job.py 'a b' 'local[*]'"),
        ("spark-submit 'no end", "spark-submit 'no end"),
        ("", ""),
    ],
)
def test_the_command_to_copy_names_no_folder_that_is_gone(command: str, copied: str) -> None:
    files = [
        FileUse(role, name, 1, "ab" * 32, 5)  # type: ignore[arg-type]
        for role, name in (("application", "job.py"), ("jar", "a.jar"), ("jar", "b.jar"), ("py-file", "r.py"))
    ]

    assert portable(command, files) == copied
