"""Predict what penguins weigh: two libraries train side by side, each in an environment of its own.

Data frames go from task to task, although each environment has another pandas. The model that is less wrong
is registered, and asked for the penguins that it has not seen. Nothing has to be uploaded; the model server
must run. The first run makes the environment of ``train_trees``: it downloads 130 MB and takes a minute.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from couture_workflow import settings
from couture_workflow.operators import register_model

DATA = Path(__file__).resolve().parent.parent / "data" / "penguins.csv"
COLUMNS = {
    "Culmen Length (mm)": "culmen_length",
    "Culmen Depth (mm)": "culmen_depth",
    "Flipper Length (mm)": "flipper_length",
    "Species": "species",
    "Sex": "sex",
    "Body Mass (g)": "mass",
}
FOLDER = f"{settings.home()}/outputs/model_pipeline/{{{{ run_id | replace(':', '.') }}}}"
#: An environment that is there: the one that notebooks run in.
NOTEBOOKS = str(settings.runtimes_path() / "jupyter" / "bin" / "python")
#: What is in the environment that is made. Its folder is named after these pins and used again by each run.
PINS = [
    "xgboost-cpu==2.1.4",
    "onnxmltools==1.14.0",
    "onnx==1.18.0",
    "protobuf==5.29.5",
    "packaging==26.4",
    "numpy==2.1.3",
    "scipy==1.14.1",
    # In these a data frame arrives.
    "pandas==2.2.3",
    "pyarrow==18.1.0",
]
ENVIRONMENTS = f"{settings.home()}/cache/environments"


@task(multiple_outputs=True)
def prepare() -> dict[str, Any]:
    """Keep the penguins of which all is known, as numbers; every fourth one is for the test."""
    import pandas

    penguins = pandas.read_csv(DATA, usecols=list(COLUMNS)).rename(columns=COLUMNS).dropna()
    penguins["species"] = penguins["species"].str.split().str[0].str.lower()
    penguins["sex"] = penguins["sex"].str.lower()
    numbers = pandas.get_dummies(penguins, prefix="", prefix_sep="", dtype=float).reset_index(drop=True)
    test = numbers[::4]
    return {"train": numbers.drop(test.index), "test": test}


@task.external_python(python=NOTEBOOKS, expect_airflow=False)
def train_forest(train: Any, test: Any, path: str) -> dict[str, Any]:
    """Train a forest of scikit-learn, write it as ONNX, and let it tell what the other penguins weigh."""
    from pathlib import Path

    import pandas
    import sklearn
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestRegressor

    measures = train.columns.drop("mass")
    rows = train[measures].to_numpy("float32")
    model = RandomForestRegressor(n_estimators=100, random_state=0).fit(rows, train["mass"])

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(to_onnx(model, rows[:1]).SerializeToString())
    return {
        "made_with": f"scikit-learn {sklearn.__version__}, pandas {pandas.__version__}",
        "path": path,
        "weights": test[["mass"]].assign(predicted=model.predict(test[measures].to_numpy("float32"))),
    }


@task.virtualenv(
    requirements=PINS,
    system_site_packages=False,
    venv_cache_path=ENVIRONMENTS,
    pip_install_options=["--no-cache-dir", "--progress-bar=off"],
    python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
    expect_airflow=False,
)
def train_trees(train: Any, test: Any, path: str) -> dict[str, Any]:
    """Train boosted trees of XGBoost, write them as ONNX, and let them tell what the other penguins weigh."""
    from pathlib import Path

    import pandas
    import xgboost
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    measures = train.columns.drop("mass")
    rows = xgboost.DMatrix(train[measures].to_numpy("float32"), label=train["mass"])
    model = xgboost.train({"max_depth": 3, "eta": 0.1}, rows, num_boost_round=100)

    onnx = convert_xgboost(model, initial_types=[("measures", FloatTensorType([None, len(measures)]))])
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(onnx.SerializeToString())
    predicted = model.predict(xgboost.DMatrix(test[measures].to_numpy("float32")))
    return {
        "made_with": f"XGBoost {xgboost.__version__}, pandas {pandas.__version__}",
        "path": path,
        "weights": test[["mass"]].assign(predicted=predicted),
    }


def _metrics(weights: Any) -> dict[str, float]:
    """Tell how wrong predictions are, in grams."""
    errors = weights["predicted"] - weights["mass"]
    return {"mean_error": float(errors.abs().mean()), "largest_error": float(errors.abs().max())}


@task(multiple_outputs=True)
def pick(trained: list[dict[str, Any]]) -> dict[str, Any]:
    """Measure all models in the same way, and return the one that is less wrong."""
    for each in trained:
        each["metrics"] = _metrics(each.pop("weights"))
        print(each["made_with"], each["metrics"])
    return min(trained, key=lambda each: each["metrics"]["mean_error"])


@task
def register(best: dict[str, Any]) -> dict[str, Any]:
    """Register the model, and wait until it answers whoever asks for the stable version."""
    return register_model(
        best["path"], "penguin-weight", metrics=best["metrics"], stage="stable", note=best["made_with"]
    )


@task
def ask(registered: dict[str, Any], test: Any) -> Any:
    """Ask the model server for the penguins of the test; the frame is in this task's tab *XCom*."""
    import httpx

    headers = {}
    if token := settings.serving_token_file():
        headers["Authorization"] = f"Bearer {token.read_text().strip()}"
    answer = httpx.post(
        f"{settings.serving_url()}/v1/models/{registered['name']}/versions/{registered['version']}:predict",
        json={"instances": test.drop(columns="mass").to_numpy().tolist()},
        headers=headers,
        timeout=30,
    )
    answer.raise_for_status()
    weights = test.assign(predicted=[row[0] for row in answer.json()["predictions"]])
    print(registered["reference"], _metrics(weights))
    return weights


with DAG(
    dag_id="model_pipeline",
    description="Train with two libraries in two environments, register the better model, and ask it",
    schedule=None,
    catchup=False,
    # Of two runs at once, one would take the label ``stable`` from the other before that has asked its model.
    max_active_runs=1,
    tags=["example", "model"],
    doc_md=__doc__,
):
    frames = prepare()
    train, test = frames["train"], frames["test"]
    best = pick(
        [train_forest(train, test, f"{FOLDER}/forest.onnx"), train_trees(train, test, f"{FOLDER}/trees.onnx")]
    )
    ask(register(best), test)
