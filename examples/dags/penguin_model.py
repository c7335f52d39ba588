"""Train two models on the penguins side by side, register the better one, and ask it.

The models are scikit-learn's, written as ONNX, which the model server runs. Nothing has to be uploaded; the
model server must run. *Try it* on the page of the model ``penguins`` asks it again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from couture_workflow import settings
from couture_workflow.operators import CoutureModelOperator

DATA = Path(__file__).resolve().parent.parent / "data" / "penguins.csv"
#: Where scikit-learn is: the Python that notebooks run in.
PYTHON = str(settings.runtimes_path() / "jupyter" / "bin" / "python")
FOLDER = f"{settings.home()}/outputs/penguin_model/{{{{ run_id | replace(':', '.') }}}}"


@task
def prepare(folder: str) -> str:
    """Keep the penguins that were measured; every fourth one is for the test."""
    import csv

    names = ("Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", "Body Mass (g)")
    with DATA.open(encoding="utf-8", newline="") as file:
        measured = [row for row in csv.DictReader(file) if all(row[name] != "NA" for name in names)]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for part, rows in (
        ("train", [row for number, row in enumerate(measured) if number % 4]),
        ("test", measured[::4]),
    ):
        with Path(folder, f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([row["Species"].split()[0], *(row[name] for name in names)] for row in rows)
    return folder


@task.external_python(python=PYTHON, expect_airflow=False)
def train(folder: str, algorithm: str) -> dict[str, Any]:
    """Train a model, measure it with the penguins that it has not seen, write it as ONNX."""
    import csv
    from pathlib import Path

    import numpy
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, log_loss
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def read(part):
        with Path(folder, f"{part}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        return numpy.array([row[1:] for row in rows], dtype=numpy.float32), [row[0] for row in rows]

    measures, species = read("train")
    classifiers = {
        "logistic_regression": LogisticRegression(max_iter=1000),
        "random_forest": RandomForestClassifier(n_estimators=50, random_state=0),
    }
    model = make_pipeline(StandardScaler(), classifiers[algorithm]).fit(measures, species)

    measures, species = read("test")
    metrics = {
        "accuracy": float(accuracy_score(species, model.predict(measures))),
        "log_loss": float(log_loss(species, model.predict_proba(measures))),
    }
    path = Path(folder, f"{algorithm}.onnx")
    # Classifiers name what they give each in their own way; who asks shall not have to know which one it was.
    names = [("species", None), ("probabilities", None)]
    onnx = to_onnx(model, measures[:1], options={"zipmap": False}, final_types=names)
    path.write_bytes(onnx.SerializeToString())
    return {"algorithm": algorithm, "path": str(path), "metrics": metrics}


@task(multiple_outputs=True)
def pick(trained: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the model that is less often wrong; of two such, the one that is surer."""
    for each in trained:
        print(each["algorithm"], each["metrics"])
    return max(trained, key=lambda each: (each["metrics"]["accuracy"], -each["metrics"]["log_loss"]))


@task
def ask(registered: dict[str, Any]) -> str:
    """Send the measures of one penguin to the model server, and return which species it is."""
    import httpx

    headers = {}
    if token := settings.serving_token_file():
        headers["Authorization"] = f"Bearer {token.read_text().strip()}"
    answer = httpx.post(
        f"{settings.serving_url()}/v1/models/{registered['name']}/versions/{registered['version']}:predict",
        json={"instances": [[46.1, 13.2, 211.0, 4500.0]]},
        headers=headers,
        timeout=30,
    )
    answer.raise_for_status()
    print(answer.text)
    return str(answer.json()["predictions"][0]["species"])


with DAG(
    dag_id="penguin_model",
    description="Train two models on the penguins, register the better one, and ask it",
    schedule=None,
    catchup=False,
    # Of two runs at once, one would take the label ``stable`` from the other before that has asked its model.
    max_active_runs=1,
    tags=["example", "model"],
    doc_md=__doc__,
):
    prepared = prepare(FOLDER)
    best = pick(
        [
            train.override(task_id=f"train_{algorithm}")(prepared, algorithm)
            for algorithm in ("logistic_regression", "random_forest")
        ]
    )
    register = CoutureModelOperator(
        task_id="register",
        path=best["path"],
        name="penguins",
        metrics=best["metrics"],
        stage="stable",
        note=best["algorithm"],
        description="Register the better model; it answers when the task has ended",
    )
    ask(register.output)
