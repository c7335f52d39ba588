"""Real services for tests, beside the tests of the package's own services.

One module for each service, whose context manager runs it on loopback, with ports that were free and all
that it keeps below the folder that it is given, and ends it by its process ids. Where the machine lacks a
program that a person can install, it skips with "needs ..." as its reason: a failure with ``CI=true``.
"""
