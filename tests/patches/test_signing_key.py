"""The command that gives the signing key runs no more once the key is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from pathlib import Path
from airflow.api_fastapi.auth.tokens import get_signing_args
from couture_workflow.patches import signing_key
signing_key.keep()
before = Path(sys.argv[1]).read_text()
keys = {get_signing_args()["secret_key"] for _ in range(5)}
assert Path(sys.argv[1]).read_text() == before, "the command ran again"
print(*keys)
"""


@pytest.mark.slow
def test_the_command_runs_no_more_and_its_key_is_used(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    command = tmp_path / "key"
    command.write_text(
        f"#!/bin/sh\necho run >> {calls}\nprintf 'a%%b-of-more-than-enough-characters-for-a-key'\n"
    )
    command.chmod(0o755)
    (tmp_path / "airflow.cfg").write_text(f"[api_auth]\njwt_secret_cmd = {command}\n")
    environment = {"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}

    done = subprocess.run(
        [sys.executable, "-c", CODE, str(calls)], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "a%b-of-more-than-enough-characters-for-a-key"
