"""`couture-workflow export` and `import`: files, exit codes, plans as tables; here and elsewhere."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from couture_workflow import cli
from couture_workflow.store.home import Store
from tests.support.workbench import command

DAG = 'from airflow.sdk import DAG\n\nwith DAG(dag_id="{0}", schedule=None):\n    pass\n'


def packed(path: Path, files: Mapping[str, str]) -> Path:
    with tarfile.open(path, mode="w:gz") as made:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content.encode())
            made.addfile(header, io.BytesIO(content.encode()))
    return path


def run(store: Store, verb: str, noun: str, path: Path, *options: str) -> int:
    return cli.main([verb, noun, str(path), "--home", str(store.root), *options])


@pytest.mark.parametrize("noun", ["configs", "dependencies", "dags"])
def test_what_is_exported_is_imported(noun: str, store: Store, tmp_path: Path, capsys: Any) -> None:
    other = Store.open(tmp_path / "other")
    other.dags.save({"a.py": DAG.format("a").encode()}, author="bob", message="", base=None)
    other.artifacts.put("job.py", [b"x = 1\n"], user="bob")
    path = tmp_path / "x.tar.gz"

    assert run(other, "export", noun, path) == 0
    assert capsys.readouterr().out == f"{path}: {path.stat().st_size:,} bytes.\n"
    assert run(store, "import", noun, path) == 0

    assert "Imported " in capsys.readouterr().out
    if noun == "dags":
        assert store.dags.paths() == ("a.py",)
        assert store.dags.history()[0].message == "Import a.py"
    if noun == "dependencies":
        assert [file.name for file in store.artifacts.list()] == ["job.py"]


def test_an_export_leaves_no_half_a_file(store: Store, tmp_path: Path, capsys: Any) -> None:
    store.artifacts.put("job.py", [b"x = 1\n"], user="bob")
    content = store.artifacts.path("job.py")
    content.chmod(0o600)
    content.write_bytes(b"x = 2\n")
    path = tmp_path / "x.tar.gz"
    path.write_bytes(b"old")

    assert run(store, "export", "dependencies", path) == 1

    assert "damaged" in capsys.readouterr().err
    assert path.read_bytes() == b"old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["couture home", "x.tar.gz"]


@pytest.mark.slow
def test_a_dry_run_shows_the_plan_and_tells_by_its_exit_code(
    store: Store, tmp_path: Path, capsys: Any
) -> None:
    path = packed(tmp_path / "x.tar.gz", {"dags/a.py": DAG.format("a"), "dags/b.sql": "select 1"})
    assert run(store, "import", "dags", path, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "create" in shown
    assert "b.sql" in shown
    assert "The import would go through." in shown
    assert store.dags.head() is None

    assert run(store, "import", "dags", path, "--message", "From CI") == 0
    assert store.dags.history()[0].message == "From CI"
    changed = packed(tmp_path / "y.tar.gz", {"dags/b.sql": "select 2"})
    assert run(store, "import", "dags", changed, "--dry-run", "--on-conflict", "fail") == 1
    assert "conflict" in capsys.readouterr().out
    assert run(store, "import", "dags", changed, "--on-conflict", "fail") == 1
    assert "is here with another content" in capsys.readouterr().err
    assert run(store, "import", "dags", changed, "--on-conflict", "skip") == 0
    assert store.dags.read("b.sql") == b"select 1"


def test_the_gate_refuses_with_its_problems(store: Store, tmp_path: Path, capsys: Any) -> None:
    path = packed(tmp_path / "x.tar.gz", {"bad.py": "from airflow.sdk import DAG\ndef (\n"})

    assert run(store, "import", "dags", path) == 1

    output = capsys.readouterr()
    assert "error: bad.py:2:" in output.out
    assert "Nothing was saved" in output.err
    assert store.dags.head() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["x.tar.gz"], "There is no file"),
        (["broken.tar.gz"], "This is no gzip file"),
        (["broken.tar.gz", "--url", "example.org", "--user", "ann"], "is no address"),
        (["broken.tar.gz", "--url", "http://example.org"], "Say who you are"),
        (["broken.tar.gz", "--url", "http://127.0.0.1:9", "--user", "ann"], "cannot be reached"),
    ],
)
def test_one_sentence_says_what_is_wrong(
    options: list[str], message: str, store: Store, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("COUTURE_PASSWORD", "x")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.tar.gz").write_bytes(b"x")

    code = cli.main(
        ["import", "dags", *options, *([] if "--url" in options else ["--home", str(store.root)])]
    )

    assert code == 1
    assert message in capsys.readouterr().err


def test_a_noun_that_does_not_exist_is_refused() -> None:
    done = subprocess.run([*command(), "export", "everything", "x"], capture_output=True, text=True)

    assert done.returncode == 2
    assert "invalid choice: 'everything'" in done.stderr


@pytest.mark.parametrize("by", ["password", "token"])
def test_a_workbench_elsewhere(by: str, api_server: Any, tmp_path: Path) -> None:
    def couture(*arguments: str, account: str = "admin") -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        if by == "password":
            arguments = (*arguments, "--user", account)
            environment["COUTURE_PASSWORD"] = account
        else:
            environment["COUTURE_TOKEN"] = api_server.token(account)
        return subprocess.run(
            [*command(), *arguments, "--url", api_server.url],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    path = packed(tmp_path / "x.tar.gz", {f"cli_{by}.py": DAG.format(f"cli_{by}")})
    assert couture("import", "dags", str(path), "--dry-run").returncode == 0

    imported = couture("import", "dags", str(path))
    assert imported.returncode == 0, imported.stderr
    assert "Imported 1 file(s) as " in imported.stdout
    assert couture("import", "dags", str(path), account="ci").returncode == 0
    refused = couture("import", "dags", str(path), account="viewer")
    assert (refused.returncode, "can create on DAG Imports" in refused.stderr) == (1, True)
    bad = packed(tmp_path / "bad.tar.gz", {"bad.py": "from airflow.sdk import DAG\ndef (\n"})
    gate = couture("import", "dags", str(bad))
    assert gate.returncode == 1
    assert "error: bad.py:2:" in gate.stdout
    target = tmp_path / "out.tar.gz"
    assert couture("export", "dags", str(target)).returncode == 0
    with tarfile.open(target) as found:
        assert f"dags/cli_{by}.py" in found.getnames()
    assert couture("export", "dags", str(target), account="ci").returncode == 1
