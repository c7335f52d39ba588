"""Application id and page, from the lines of every kind of cluster."""

from __future__ import annotations

import pytest

from couture_workflow.services.spark.tracking import Tracker, Tracking

AT = "25/06/01 10:00:00 INFO"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            [
                f"{AT} JettyUtils: Start Jetty 10.0.0.5:4040 for SparkUI",
                f"{AT} Utils: Successfully started service 'SparkUI' on port 4041.",
                f"{AT} Backend: Connected to Spark cluster with app ID app-20250601100000-0003",
            ],
            Tracking("app-20250601100000-0003", "http://10.0.0.5:4041", "app-20250601100000-0003"),
            id="spark-4",
        ),
        pytest.param(
            [
                f"{AT} SparkUI: Bound SparkUI to 0.0.0.0, and started at http://node7:4040",
                f"{AT} Executor: Starting executor ID driver, application local-1700000000000",
            ],
            Tracking("local-1700000000000", "http://node7:4040", "local-1700000000000"),
            id="spark-3",
        ),
        pytest.param(
            [
                f"{AT} StandaloneSubmission: Submitted driver-20250601100000-0001",
                f"{AT} StandaloneSubmission: driver-20250601100000-0001 is RUNNING on node7:35001",
                f"{AT} JettyUtils: Start Jetty 0.0.0.0:4040 for SparkUI",
                f"{AT} Utils: Successfully started service 'SparkUI' on port 4040.",
                f"{AT} Backend: Connected to Spark cluster with app ID app-20250601100000-0003",
            ],
            Tracking("app-20250601100000-0003", "http://node7:4040", "driver-20250601100000-0001"),
            id="standalone-cluster-mode",
        ),
        pytest.param(
            [
                f"{AT} Client: Application report for application_1700000000000_0007 (state: ACCEPTED)",
                "\t tracking URL: http://yarn:8088/proxy/application_1700000000000_0007/",
            ],
            Tracking(
                "application_1700000000000_0007",
                "http://yarn:8088/proxy/application_1700000000000_0007/",
                "application_1700000000000_0007",
            ),
            id="yarn",
        ),
        pytest.param(
            [
                f"{AT} SparkUI: Bound SparkUI to 0.0.0.0, and started at http://node7:4040",
                f"{AT} Client: Submitted application application_1700000000000_0007",
                "\t tracking URL: http://yarn:8088/proxy/application_1700000000000_0007/",
                f"{AT} SparkUI: Bound SparkUI to 0.0.0.0, and started at http://node7:4041",
                f"{AT} JettyUtils: Start Jetty 10.0.0.5:4042 for SparkUI",
                f"{AT} Utils: Successfully started service 'SparkUI' on port 4042.",
            ],
            Tracking(
                "application_1700000000000_0007",
                "http://yarn:8088/proxy/application_1700000000000_0007/",
                "application_1700000000000_0007",
            ),
            id="yarn-client-mode-whose-own-page-lets-only-the-proxy-in",
        ),
        pytest.param(
            [
                f"{AT} Client: Application report for application_1700000000000_0007 (state: RUNNING)",
                "\t tracking URL: http://yarn:8088/proxy/application_1700000000000_0007/",
                f"{AT} Client: Application report for application_1700000000000_0007 (state: FINISHED)",
                "\t tracking URL: http://history:18080/history/application_1700000000000_0007/1",
                "\t tracking URL: N/A",
            ],
            Tracking(
                "application_1700000000000_0007",
                "http://history:18080/history/application_1700000000000_0007/1",
                "application_1700000000000_0007",
            ),
            id="yarn-names-a-history-server-at-the-end",
        ),
        pytest.param(
            [
                f"{AT} Client: Deployed Spark application pi with application ID spark-0a1b and submission "
                "ID jobs:pi-driver into Kubernetes",
            ],
            Tracking("spark-0a1b", None, "jobs:pi-driver"),
            id="kubernetes",
        ),
        pytest.param(
            [
                '{"ts":"2025-06-01T10:00:00Z","level":"INFO","msg":"Connected to Spark cluster with app ID '
                'app-20250601100000-0003","logger":"StandaloneSchedulerBackend"}',
            ],
            Tracking("app-20250601100000-0003", None, "app-20250601100000-0003"),
            id="structured-log",
        ),
        pytest.param(
            ["my job read app-20250601100000-0003 and http://node7:4040"], Tracking(), id="not-a-log-line"
        ),
    ],
)
def test_what_the_log_tells(lines: list[str], expected: Tracking) -> None:
    tracker = Tracker(session=None)

    for line in lines:
        tracker.read(line)

    assert tracker.current == expected
