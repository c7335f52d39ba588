"""The values for Airflow's official Helm chart: what they say, and what the chart makes of them.

The chart is fetched, never kept here; ``HELM_AIRFLOW_CHART`` names an archive of it on this machine.
"""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
import yaml

from couture_workflow import __version__
from tests.support import helm

ROOT = Path(__file__).parents[2]
VALUES = ROOT / "deploy/helm/values.yaml"
HOME = "/var/lib/couture-workflow"
SECRETS = "/run/couture/secrets"
SERVERS = {"api-server", "scheduler", "dag-processor", "triggerer", "wait-for-airflow-migrations"}
JOBS = {"create-user", "run-airflow-migrations"}
#: What the chart sets by itself, or by another value.
CHARTS_OWN = {
    ("core", "executor"),
    ("core", "dags_folder"),
    ("core", "hostname_callable"),
    ("core", "execution_api_server_url"),
    ("api", "host"),
    ("api", "port"),
    ("dag_processor", "dag_bundle_config_list"),
    ("logging", "colored_console_log"),
}

Values = dict[str, Any]


@pytest.fixture(scope="module")
def values() -> Values:
    """Return the values."""
    loaded: Values = yaml.safe_load(VALUES.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def image_settings() -> configparser.ConfigParser:
    """Return the configuration of the image."""
    return _configuration((ROOT / "docker/airflow.cfg").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def archive() -> Path:
    """Return the chart's archive, in the version that the values are for."""
    named = re.search(r"official Helm chart of Apache Airflow, version ([0-9.]+[0-9])", VALUES.read_text())
    assert named
    return helm.chart(named[1])


@pytest.fixture(scope="module")
def objects(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what the chart makes of the values; its schema is checked on the way."""
    command = [
        helm.helm(),
        "template",
        "couture",
        str(archive),
        "--namespace",
        "couture",
        "--values",
        str(VALUES),
    ]
    folder = tmp_path_factory.mktemp("helm")
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def test_the_image_is_that_of_this_version(values: Values) -> None:
    image = values["images"]["airflow"]
    assert (image["repository"], image["tag"]) == ("couture-workflow", __version__)
    assert (values["defaultAirflowRepository"], values["defaultAirflowTag"]) == (
        "couture-workflow",
        __version__,
    )
    assert values["airflowVersion"] == airflow.__version__


def test_pods_run_as_the_user_of_the_image_without_rights(values: Values) -> None:
    dockerfile = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
    assert f"USER {values['uid']}:{values['gid']}\n" in dockerfile
    contexts = values["securityContexts"]
    assert (contexts["pod"]["runAsUser"], contexts["pod"]["runAsGroup"]) == (values["uid"], values["gid"])
    assert contexts["pod"]["runAsNonRoot"] is True
    assert contexts["containers"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_every_setting_of_the_image_is_repeated(
    values: Values, image_settings: configparser.ConfigParser
) -> None:
    wanted = {
        (section, name): value
        for section in image_settings.sections()
        for name, value in image_settings.items(section)
        if (section, name) not in CHARTS_OWN
    }
    config = values["config"]
    given = {key: str(config.get(key[0], {}).get(key[1], "missing")) for key in wanted}
    assert given == wanted
    assert values["executor"] == image_settings["core"]["executor"] == "CeleryExecutor"
    bundles = json.loads(image_settings["dag_processor"]["dag_bundle_config_list"])
    assert values["dagProcessor"]["dagBundleConfigList"] == bundles


def test_no_secret_is_in_the_values(values: Values) -> None:
    for path, value in _leaves(values):
        if re.search(r"(?i)pass|secret_?key$|secret$|fernet_key$|connection$|token$", path[-1]):
            assert value in ("", None, False), path
        assert not re.search(r"://[^/@\s]+:[^/@\s]+@", str(value)), path
    assert not any(values["enableBuiltInSecretEnvVars"].values())


def test_nothing_of_the_charts_own_servers_or_examples(values: Values) -> None:
    for name in ("postgresql", "redis", "pgbouncer", "statsd", "flower"):
        assert values[name] == {"enabled": False}, name
    assert values["config"]["core"]["load_examples"] == "False"
    # The program that they run is not in the image.
    for name in ("scheduler", "dagProcessor", "triggerer"):
        assert values[name]["logGroomerSidecar"] == {"enabled": False}
    assert values["workers"]["celery"]["logGroomerSidecar"] == {"enabled": False}


def test_the_claim_of_the_home_is_written_by_many_nodes(values: Values) -> None:
    claim = yaml.safe_load((ROOT / "deploy/helm/home.yaml").read_text(encoding="utf-8"))
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    volume = next(volume for volume in values["volumes"] if volume["name"] == "home")
    assert volume["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert {"name": "home", "mountPath": HOME} in values["volumeMounts"]


def test_the_charts_schema_takes_the_values(values: Values, archive: Path) -> None:
    if archive.is_dir():
        schema = json.loads((archive / "values.schema.json").read_text(encoding="utf-8"))
    else:
        with tarfile.open(archive) as chart:
            member = chart.extractfile("airflow/values.schema.json")
            assert member
            schema = json.load(member)
    # A value that is null deletes the default, so the chart never sees it.
    jsonschema.validate(_without_nulls(values), schema)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_container_is_ours_and_has_the_home(objects: list[dict[str, Any]]) -> None:
    found = {container["name"] for _, container in _containers(objects)}
    assert found == SERVERS | JOBS | {"worker", "dag-sync"}
    for pod, container in _containers(objects):
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert container["image"] == f"couture-workflow:{__version__}"
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert volumes[mounts[HOME]]["persistentVolumeClaim"]["claimName"] == "couture-workflow-home"
        assert {"/tmp", "/home/airflow", "/var/lib/extrausers", "/opt/airflow/airflow.cfg"} <= mounts.keys()
        assert container["resources"]["limits"]["memory"], container["name"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_only_those_who_need_them_have_the_secrets(objects: list[dict[str, Any]]) -> None:
    for pod, container in _containers(objects):
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        secrets = {path.removeprefix(SECRETS + "/") for path in mounts if path.startswith(SECRETS)}
        expected = {"worker"} if container["name"] == "worker" else {"worker", "airflow"}
        assert secrets == expected | ({"admin"} if container["name"] == "create-user" else set())
        assert not any("valueFrom" in variable for variable in container.get("env") or [])
        modes = [volume["secret"]["defaultMode"] for volume in pod["volumes"] if "secret" in volume]
        assert set(modes) == {0o440}
    assert not [found for found in objects if found["kind"] == "Secret"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_service_says_whether_it_is_well(objects: list[dict[str, Any]]) -> None:
    own = {"exec": {"command": ["/usr/local/bin/healthcheck"]}}
    for _, container in _containers(objects):
        if container["name"] in JOBS | {"wait-for-airflow-migrations"}:
            continue
        probe = container["livenessProbe"]
        if container["name"] == "api-server":
            assert probe["httpGet"]["path"].startswith("/api/v2/")
        else:
            assert probe.items() >= own.items(), container["name"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_configuration_is_that_of_the_image(
    objects: list[dict[str, Any]], image_settings: configparser.ConfigParser
) -> None:
    maps = [found for found in objects if found["kind"] == "ConfigMap"]
    rendered = _configuration(next(found["data"]["airflow.cfg"] for found in maps if "data" in found))
    for section in image_settings.sections():
        for name, value in image_settings.items(section):
            if section == "api" and name in ("host", "port"):
                assert not rendered.has_option(section, name)
            elif name == "execution_api_server_url":
                assert rendered[section][name] == "http://couture-api-server:8080/execution/"
            elif name == "dag_bundle_config_list":
                assert json.loads(rendered[section][name]) == json.loads(value)
            else:
                assert rendered[section][name] == value, (section, name)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_logs_are_on_a_volume_that_all_pods_share(objects: list[dict[str, Any]]) -> None:
    claims = {
        found["metadata"]["name"]: found for found in objects if found["kind"] == "PersistentVolumeClaim"
    }
    assert claims["couture-logs"]["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod, container in _containers(objects):
        if container["name"] in JOBS | {"dag-sync", "wait-for-airflow-migrations"}:
            continue
        names = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volume = next(v for v in pod["volumes"] if v["name"] == names["/opt/airflow/logs"])
        assert volume["persistentVolumeClaim"]["claimName"] == "couture-logs"


def _configuration(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser


def _leaves(value: Any, path: tuple[str, ...] = ("values",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path, value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _containers(objects: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for found in objects:
        pod = found.get("spec", {}).get("template", {}).get("spec")
        if pod:
            for container in (pod.get("initContainers") or []) + pod["containers"]:
                yield pod, container
