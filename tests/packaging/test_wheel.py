"""The built wheel: it holds everything that it needs, and the workbench runs from it alone."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import httpx
import pytest

import couture_workflow
from couture_workflow import settings
from tests.support.workbench import Workbench

pytestmark = pytest.mark.slow

ROOT = Path(couture_workflow.__file__).parent.parent
NOT_FROM_HERE = re.compile(r"couture_workflow|__editable__.*couture|.*\.pth$|distutils-precedence")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the files that git knows, and those that it would take."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def package_files(root: Path) -> set[str]:
    """Return every file of the package and of the examples, as the wheel names them."""
    found = {
        f"couture_workflow/{p.relative_to(root / 'couture_workflow')}"
        for p in (root / "couture_workflow").rglob("*")
    }
    found |= {
        f"couture_workflow/examples/{p.relative_to(root / 'examples')}"
        for p in (root / "examples").rglob("*")
    }
    return {
        name
        for name in found
        if not re.search(r"__pycache__|\.(pyc|class|jar)$", name)
        and not (root / name.replace("couture_workflow/examples", "examples")).is_dir()
    }


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package_and_the_examples(wheel: Path) -> None:
    source = wheel.parent / "source"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert names == package_files(source)


@pytest.fixture(scope="module")
def environment(wheel: Path) -> Path:
    """Make an environment with the wheel; what it depends on is borrowed from that of the tests."""
    folder = wheel.parent / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    install = [
        "-m",
        "pip",
        "--python",
        str(folder / "bin" / "python"),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([sys.executable, *install, str(wheel)], check=True)
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not NOT_FROM_HERE.match(path.name):
            (borrowed / path.name).symlink_to(path)
    site = next(folder.glob("lib/python3.*/site-packages"))
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    return folder


@pytest.mark.workbench
@pytest.mark.spark
@pytest.mark.slow
def test_the_workbench_runs_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    spark = next((settings.runtimes_path() / "spark").glob("lib/python3.*/site-packages/pyspark"))
    workbench = Workbench(
        tmp_path / "home",
        program=[str(environment / "bin" / "couture-workflow")],
        variables={"SPARK_HOME": str(spark)},
    )
    try:
        workbench.start()
        client = workbench.client("superadmin")
        token = workbench.token("superadmin")
        page = httpx.get(f"{workbench.url}/couture/developer/", cookies={"_token": token}, timeout=60)
        style = re.findall(r'href="(/couture/assets/\w+/common/app.css)"', page.text)
        plugins = client.get("/api/v2/plugins").json()["plugins"]

        assert page.status_code == 200
        assert (
            httpx.get(workbench.url + style[0]).text
            == (ROOT / "couture_workflow/static/common/app.css").read_text()
        )
        assert [plugin["name"] for plugin in plugins].count("couture_workflow") == 1
        assert workbench.stop() == 0
    finally:
        workbench.end()


def test_the_command_tells_its_version(environment: Path) -> None:
    command = [str(environment / "bin" / "couture-workflow"), "version"]

    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said == f"couture-workflow {couture_workflow.__version__}\n"
