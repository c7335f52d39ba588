"""The code of the team, without a workbench. That whole DAGs run is tried by `couture-workflow dags test`."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.operators.sum_orders import SumOrdersOperator
from plugins.sensors.file_ready import FileReadySensor
from shared.prices import gross

SAMPLE = Path(__file__).parent.parent / "dags" / "sample" / "orders.csv"


@pytest.mark.parametrize(("net", "expected"), [(0, 0), (100, 119), (499, 594)])
def test_tax_is_added(net: int, expected: int) -> None:
    assert gross(net) == expected


def test_orders_are_summed_up() -> None:
    found = SumOrdersOperator(task_id="orders", path=str(SAMPLE)).execute({})

    assert found == {"orders": 3, "gross": 1190 + 2975 + 594}


def test_an_empty_file_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    sensor = FileReadySensor(task_id="wait", path=str(file))

    assert not sensor.poke({})
    file.touch()
    assert not sensor.poke({})
    file.write_text("order,net\n")
    assert sensor.poke({})
