"""Running a coroutine in a test, also while the browser's event loop runs in the main thread."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

#: Seconds, less than a test has: who waits for the thread cannot be interrupted.
LIMIT = 240.0


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it to its end in a thread of its own and return its result, or raise ``TimeoutError``."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, asyncio.wait_for(coroutine, LIMIT)).result()
