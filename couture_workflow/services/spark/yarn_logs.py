"""Reads the log of an application's driver out of HDFS, after YARN has put it there.

A script for the Python of a Spark runtime: ``yarn_logs.py SPARK_HOME CONF APPLICATION CONTAINER OWNER TARGET
[JAVA_OPTION...]`` writes the files of a container below the folder TARGET, the end of each. It drives
Hadoop's own classes, which are among Spark's jars: the program ``yarn`` is not needed. Standard library, and
Spark's py4j.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

#: The end of each file of a container that is read, in bytes.
MOST = 512 * 1024
_JARS = ("hadoop-client-*.jar", "slf4j-api-*.jar", "snappy-*.jar", "commons-logging-*.jar")


def main(arguments: Sequence[str]) -> int:
    """Fetch the logs; return the exit code of Hadoop's own command, 0 if there were any."""
    home, conf, application, container, owner, target, *options = arguments
    sys.path[:0] = [str(path) for path in Path(home).glob("python/lib/py4j-*.zip")]
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

    jars = Path(home) / "jars"
    path = ":".join([conf, *(str(each) for pattern in _JARS for each in sorted(jars.glob(pattern)))])
    port, token = launch_gateway(
        jarpath=str(next(iter(jars.glob("py4j-*.jar")))),
        classpath=path,
        javaopts=[*options, "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
        die_on_exit=True,
        enable_auth=True,
    )
    gateway = JavaGateway(
        gateway_parameters=GatewayParameters(port=port, auth_token=token, auto_convert=True)
    )
    try:
        java = gateway.jvm
        logs = java.org.apache.hadoop.yarn.logaggregation
        helper = logs.LogCLIHelpers()
        helper.setConf(java.org.apache.hadoop.yarn.conf.YarnConfiguration())
        request = logs.ContainerLogsRequest()
        request.setAppId(java.org.apache.hadoop.yarn.api.records.ApplicationId.fromString(application))
        request.setContainerId(container)
        request.setAppOwner(
            owner or java.org.apache.hadoop.security.UserGroupInformation.getCurrentUser().getShortUserName()
        )
        request.setBytes(-MOST)
        request.setLogTypes(java.java.util.HashSet())  # none named: all of them
        request.setOutputLocalDir(target)
        return int(helper.dumpAContainerLogsForLogTypeWithoutNodeId(request))
    finally:
        gateway.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
