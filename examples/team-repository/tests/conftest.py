"""Give Airflow a home of the tests' own, before anything imports it."""

from __future__ import annotations

import os
import tempfile

HOME = tempfile.TemporaryDirectory(prefix="team-tests-")
os.environ["AIRFLOW_HOME"] = HOME.name
