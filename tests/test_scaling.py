"""The model of a cluster and the simulation of its pacing agree, and neither lets the API have more than it takes."""

from __future__ import annotations

import pytest

from benchmarks.scaling import Cluster, measured_turn, simulate


@pytest.mark.parametrize("machines", [1, 4, 25])
@pytest.mark.parametrize(
    ("calls_per_second", "turn", "latency", "limited_by"),
    [(5.0, 0.004, 0.05, "the API"), (500.0, 0.02, 0.05, "the journal"), (500.0, 0.0001, 2.0, "calls in flight")],
)
def test_what_is_simulated_is_what_the_model_says(
    machines: int, calls_per_second: float, turn: float, latency: float, limited_by: str
) -> None:
    concurrency = 100 // machines
    cluster = Cluster(
        machines=machines, concurrency=concurrency, latency=latency, turn=turn, calls_per_second=calls_per_second
    )
    limit, name = cluster.limit()
    pace = simulate(cluster, seconds=20.0)
    assert name == limited_by
    assert pace.rate == pytest.approx(limit, rel=0.05)
    assert pace.rate <= 1.05 * calls_per_second


def test_what_a_call_costs_the_journal_is_measured_on_one() -> None:
    assert measured_turn("sqlite://", chunk=1) > 0
