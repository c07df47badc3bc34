"""Requests of many owners: handed out in order, answered in any order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wilks import Real, Space
from wilks.core.proposal import Evaluations
from wilks.loop.requests import Requests, in_unit


def answers(proposals, rows, payloads=None):
    rows = np.asarray(rows)
    n = len(rows)
    return Evaluations(
        proposals.ids[rows],
        proposals.thetas[rows],
        proposals.phases[rows],
        proposals.thetas[rows, 0] * 10,
        np.zeros(n, dtype=np.int8),
        np.zeros(n, dtype=np.float32),
        np.zeros(n, dtype=np.int32),
        payloads,
    )


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=8),
    st.lists(st.integers(1, 7), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_every_request_is_answered_once_with_its_own_values(sizes, limits, source):
    requests = Requests(dimension=1)
    number = 0
    for owner, size in enumerate(sizes):
        requests.add(owner, np.arange(number, number + size, dtype=float)[:, None], phase=owner % 3)
        number += size
    assert requests.n_unsent == number
    finished = {}
    sent, k = 0, 0
    while requests.opened:
        proposals = requests.take(limits[k % len(limits)])
        k += 1
        assert len(proposals) <= limits[(k - 1) % len(limits)]
        assert proposals.thetas[:, 0].tolist() == list(range(sent, sent + len(proposals)))
        sent += len(proposals)
        order = list(range(len(proposals)))
        source.shuffle(order)
        cut = source.randint(0, len(order))
        for part in (order[:cut], order[cut:]):
            if part:
                requests.answer(answers(proposals, part), lambda r: finished.__setitem__(r.owner, r.values.tolist()))
    number = 0
    for owner, size in enumerate(sizes):
        assert finished[owner] == [10.0 * i for i in range(number, number + size)]
        number += size
    assert len(requests.take(5)) == 0


def test_a_finished_request_may_open_another():
    requests = Requests(dimension=1)
    requests.add(0, np.zeros((1, 1)), phase=0)
    proposals = requests.take(9)
    requests.answer(answers(proposals, [0]), lambda r: requests.add(r.owner + 1, np.ones((2, 1)), phase=1))
    assert [request.owner for request in requests.opened.values()] == [1]
    assert requests.take(9).phases.tolist() == [1, 1]


def test_derivatives_come_back_in_the_unit_box():
    space = Space(x=Real(0, 10), y=Real(1, 100, scale="log"))
    requests = Requests(dimension=2, want="gradient")
    requests.add(0, np.array([[5.0, 10.0], [1.0, 1.0]]), phase=0)
    proposals = requests.take(2)
    assert proposals.want == "gradient"
    found = []
    payloads = [np.array([2.0, 3.0]), None]
    requests.answer(answers(proposals, [0, 1], payloads), found.append)
    gradients = in_unit(space, found[0], "gradient", np.array([0, 1]))
    np.testing.assert_allclose(gradients[0], [20.0, 3.0 * 10 * np.log(100)])
    assert gradients[1] is None
    np.testing.assert_allclose(in_unit(space, found[0], "gradient", np.array([1]))[0], [3.0 * 10 * np.log(100)])
    matrices = [np.array([[1.0, 2.0, 3.0]]), np.array([[1.0]])]
    requests.add(0, np.array([[5.0, 10.0], [1.0, 1.0]]), phase=0)
    requests.answer(answers(requests.take(2), [0, 1], matrices), found.append)
    full, alone = in_unit(space, found[1], "residual", np.array([0, 1]))
    np.testing.assert_allclose(full, [[1.0, 20.0, 3.0 * 10 * np.log(100)]])
    assert alone.tolist() == [[1.0]]
