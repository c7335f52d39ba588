"""Operators for DAG files: ``from couture_workflow.operators import CouturePySparkOperator``."""

from __future__ import annotations

from couture_workflow.operators.spark import CouturePySparkOperator, CoutureSparkOperator

__all__ = ["CouturePySparkOperator", "CoutureSparkOperator"]
