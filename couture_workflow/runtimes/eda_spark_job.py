"""The Spark job of exploratory data analysis: what spark-submit is given, with ``eda_spark`` beside it.

``services/eda/spark_job.py`` puts this file as ``__main__.py``, the package ``eda_spark`` and the request
into one archive, which Python runs like a script: one file is all that must reach a driver, wherever it runs.
"""

from __future__ import annotations

import json
import pkgutil
import sys

from eda_spark.main import main

if __name__ == "__main__":
    sys.exit(main(json.loads(pkgutil.get_data("eda_spark", "request.json") or b"{}")))
