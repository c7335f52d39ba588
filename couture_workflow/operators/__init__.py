"""Operators for DAG files: ``from couture_workflow.operators import CouturePySparkOperator``."""
