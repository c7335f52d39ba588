"""The configuration of a small HDFS and YARN: what clients get, and what the daemons know beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

Properties = dict[str, object]


@dataclass(frozen=True)
class Ports:
    """Where the daemons listen; what is not here takes a port of its own choice."""

    namenode: int
    namenode_http: int
    resourcemanager: int
    scheduler: int
    tracker: int
    admin: int
    resourcemanager_http: int
    localizer: int
    nodemanager_http: int


@dataclass(frozen=True)
class Security:
    """What a cluster with Kerberos needs of its realm.

    :param keytab: has hdfs/localhost, yarn/localhost and HTTP/localhost.
    """

    realm: str
    keytab: Path
    krb5_conf: Path


def write(path: Path, properties: Mapping[str, object]) -> None:
    """Write a file of properties as Hadoop reads them."""
    body = "".join(
        f"  <property><name>{escape(name)}</name><value>{escape(str(value))}</value></property>\n"
        for name, value in properties.items()
    )
    path.write_text(f'<?xml version="1.0"?>\n<configuration>\n{body}</configuration>\n')


def of_clients(ports: Ports, security: Security | None) -> dict[str, Properties]:
    """Return the properties of each file that a client needs; nothing in them is secret."""
    core: Properties = {
        "fs.defaultFS": f"hdfs://localhost:{ports.namenode}",
        "hadoop.rpc.protection": "authentication",
    }
    hdfs: Properties = {
        "dfs.replication": 1,
        "dfs.namenode.http-address": f"localhost:{ports.namenode_http}",
    }
    yarn: Properties = {
        "yarn.resourcemanager.hostname": "localhost",
        "yarn.resourcemanager.address": f"localhost:{ports.resourcemanager}",
        "yarn.resourcemanager.scheduler.address": f"localhost:{ports.scheduler}",
        "yarn.resourcemanager.webapp.address": f"localhost:{ports.resourcemanager_http}",
        "yarn.log-aggregation-enable": "true",
        "yarn.nodemanager.remote-app-log-dir": "/app-logs",
        "yarn.resourcemanager.am.max-attempts": 1,
    }
    if security:
        core |= {
            "hadoop.security.authentication": "kerberos",
            "hadoop.security.authorization": "true",
        }
        hdfs |= {
            "dfs.namenode.kerberos.principal": f"hdfs/_HOST@{security.realm}",
            "dfs.datanode.kerberos.principal": f"hdfs/_HOST@{security.realm}",
            "dfs.block.access.token.enable": "true",
        }
        yarn |= {
            "yarn.resourcemanager.principal": f"yarn/_HOST@{security.realm}",
            "yarn.nodemanager.principal": f"yarn/_HOST@{security.realm}",
        }
    return {"core-site.xml": core, "hdfs-site.xml": hdfs, "yarn-site.xml": yarn}


def of_daemons(ports: Ports, security: Security | None, folder: Path) -> dict[str, Properties]:
    """Return the properties of each file of the daemons, which keep their state below a folder."""
    found = of_clients(ports, security)
    found["core-site.xml"] |= {
        "hadoop.tmp.dir": folder / "tmp",
        # Nobody of the tests has an account on this machine: without their groups here each look-up warns.
        "hadoop.user.group.static.mapping.overrides": "alice=team-a;bob=team-b;root=supergroup;"
        "hdfs=supergroup;yarn=hadoop;dr.who=;",
        "hadoop.http.staticuser.user": "dr.who",
    }
    found["hdfs-site.xml"] |= {
        "dfs.namenode.name.dir": f"file://{folder}/name",
        "dfs.datanode.data.dir": f"file://{folder}/data",
        "dfs.datanode.address": "localhost:0",
        "dfs.datanode.ipc.address": "localhost:0",
        "dfs.datanode.http.address": "localhost:0",
        "dfs.datanode.hostname": "localhost",
        "dfs.namenode.safemode.extension": 0,
        "dfs.permissions.superusergroup": "supergroup",
        "dfs.heartbeat.interval": 1,
    }
    found["yarn-site.xml"] |= _nodes(ports, folder)
    found["capacity-scheduler.xml"] = {
        "yarn.scheduler.capacity.root.queues": "default,small",
        "yarn.scheduler.capacity.root.default.capacity": 90,
        "yarn.scheduler.capacity.root.small.capacity": 10,
        # Else the second application waits for ever.
        "yarn.scheduler.capacity.maximum-am-resource-percent": 0.9,
        "yarn.scheduler.capacity.root.default.maximum-am-resource-percent": 0.9,
        # Else everybody may kill every application.
        "yarn.scheduler.capacity.root.acl_administer_queue": "yarn",
        "yarn.scheduler.capacity.root.acl_submit_applications": "*",
    }
    if security:
        _secure(found, security, folder)
    return found


def _nodes(ports: Ports, folder: Path) -> Properties:
    return {
        "yarn.resourcemanager.resource-tracker.address": f"localhost:{ports.tracker}",
        "yarn.resourcemanager.admin.address": f"localhost:{ports.admin}",
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": 250,
        # After a minute it gives up a token, and with it the thread that handles all events.
        "yarn.resourcemanager.delegation-token-renewer.thread-timeout": "3600s",
        "yarn.nodemanager.hostname": "localhost",
        "yarn.nodemanager.address": "localhost:0",
        "yarn.nodemanager.localizer.address": f"localhost:{ports.localizer}",
        "yarn.nodemanager.webapp.address": f"localhost:{ports.nodemanager_http}",
        "yarn.nodemanager.local-dirs": folder / "nm-local",
        "yarn.nodemanager.log-dirs": folder / "nm-logs",
        "yarn.nodemanager.resource.memory-mb": 4096,
        "yarn.nodemanager.resource.cpu-vcores": 4,
        "yarn.scheduler.minimum-allocation-mb": 128,
        "yarn.scheduler.maximum-allocation-mb": 4096,
        # A JVM and Python reserve more than twice what they use.
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.pmem-check-enabled": "false",
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": 99.5,
        "yarn.acl.enable": "true",
        "yarn.admin.acl": "yarn,root,hdfs",
    }


def _secure(found: dict[str, Properties], security: Security, folder: Path) -> None:
    """Give each daemon its principal, and their web pages SPNEGO."""
    web, keytab = f"HTTP/_HOST@{security.realm}", security.keytab
    found["core-site.xml"] |= {
        # Without this filter the web pages take everybody for dr.who.
        "hadoop.http.filter.initializers": "org.apache.hadoop.security.AuthenticationFilterInitializer",
        "hadoop.http.authentication.type": "kerberos",
        "hadoop.http.authentication.kerberos.principal": web,
        "hadoop.http.authentication.kerberos.keytab": keytab,
        "hadoop.http.authentication.simple.anonymous.allowed": "false",
        "hadoop.http.authentication.signature.secret.file": folder / "http-secret",
    }
    found["hdfs-site.xml"] |= {
        "dfs.namenode.keytab.file": keytab,
        "dfs.datanode.keytab.file": keytab,
        "dfs.web.authentication.kerberos.principal": web,
        "dfs.web.authentication.kerberos.keytab": keytab,
        "dfs.namenode.kerberos.internal.spnego.principal": web,
        # A DataNode that is not root's wants TLS, or this.
        "ignore.secure.ports.for.testing": "true",
    }
    found["yarn-site.xml"] |= {
        f"yarn.{daemon}.{name}": value
        for daemon in ("resourcemanager", "nodemanager")
        for name, value in (
            ("keytab", keytab),
            ("webapp.spnego-principal", web),
            ("webapp.spnego-keytab-file", keytab),
        )
    }
