"""What pyproject.toml cannot say: the examples at the top of the project are part of the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["couture_workflow*"]), "couture_workflow.examples"],
    package_dir={"couture_workflow.examples": "examples"},
    package_data={
        "couture_workflow": [
            "templates/**/*.html",
            "static/**/*",
            "services/spark/data/*",
            "bricks/*",
            "runtimes/**/*",
            "web/migrations/**/*",
        ],
        "couture_workflow.examples": [
            "**/*",
            "**/.airflowignore",
            "team-repository/.*",
            "team-repository/.github/**/*",
        ],
    },
    exclude_package_data={"": ["*.pyc", "*.class", "__pycache__"]},
)
