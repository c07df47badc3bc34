"""Requests of many owners: handed out in order, answered in any order."""

import numpy as np
import pytest
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


def test_an_owner_may_be_withdrawn():
    """Points that were not handed out never are, and nobody is called for those that were."""
    requests = Requests(dimension=1)
    requests.add(1, np.array([[1.0], [2.0], [3.0]]), phase=0)
    requests.add(2, np.array([[4.0]]), phase=0)
    requests.add(1, np.array([[5.0]]), phase=0)
    first = requests.take(2)
    assert requests.n_under_way == 2
    requests.withdraw(1)
    assert (requests.n_unsent, requests.n_under_way) == (1, 2)
    rest = requests.take(10)
    assert rest.thetas.tolist() == [[4.0]]
    finished = []
    requests.answer(answers(first, [1]), finished.append)
    requests.answer(answers(rest, [0]), finished.append)
    assert [request.owner for request in finished] == [2]
    assert len(requests.opened) == 1
    requests.answer(answers(first, [0]), finished.append)
    assert [request.owner for request in finished] == [2]
    assert not requests.opened
    assert (requests.n_unsent, requests.n_under_way) == (0, 0)
    requests.withdraw(1)  # of whom nothing is known any more


def test_one_that_is_finished_may_withdraw_another_that_is_complete():
    requests = Requests(dimension=1)
    for owner in (1, 2, 3):
        requests.add(owner, np.array([[float(owner)]]), phase=0)
    called = []

    def finish(request):
        called.append(request.owner)
        requests.withdraw(2)

    requests.answer(answers(requests.take(3), [0, 1, 2]), finish)
    assert called == [1, 3]
    assert not requests.opened


WANTED = np.array([[1.0], [2.0]])


@pytest.mark.parametrize("n_back", [0, 1, 2])
def test_what_was_asked_for_ahead_is_not_asked_for_again(n_back):
    """However many of its answers are back when the owner asks for it."""
    requests, finished = Requests(dimension=1), []
    requests.add(7, WANTED, phase=0, ahead=True)
    sent = requests.take(9)
    if n_back:
        requests.answer(answers(sent, range(n_back)), finished.append)
    assert finished == []
    requests.add(7, WANTED.copy(), phase=0)
    assert requests.n_unsent == 0
    if n_back < 2:
        requests.answer(answers(sent, range(n_back, 2)), finished.append)
    else:
        requests.finish_foreseen(finished.append)
    assert [(request.owner, request.values.tolist()) for request in finished] == [(7, [10.0, 20.0])]
    assert not requests.opened
    assert not requests.aheads


@pytest.mark.parametrize("n_sent", [0, 1, 2])
def test_what_was_wrongly_foreseen_is_forgotten(n_sent):
    requests, finished = Requests(dimension=1), []
    requests.add(7, WANTED, phase=0, ahead=True)
    early = requests.take(n_sent)
    requests.add(7, WANTED + 5.0, phase=0)
    assert requests.n_unsent == 2
    late = requests.take(9)
    assert late.thetas.tolist() == [[6.0], [7.0]]
    if n_sent:
        requests.answer(answers(early, range(n_sent)), finished.append)
    assert finished == []
    requests.answer(answers(late, [0, 1]), finished.append)
    assert [request.values.tolist() for request in finished] == [[60.0, 70.0]]
    assert not requests.opened


@pytest.mark.parametrize("is_back", [False, True])
def test_what_was_foreseen_of_an_owner_that_is_withdrawn(is_back):
    requests, finished = Requests(dimension=1), []
    requests.add(7, WANTED, phase=0, ahead=True)
    sent = requests.take(9)
    if is_back:
        requests.answer(answers(sent, [0, 1]), finished.append)
    requests.withdraw(7)
    assert not requests.aheads
    if not is_back:
        requests.answer(answers(sent, [0, 1]), finished.append)
    assert finished == []
    assert not requests.opened


def test_foreseen_answers_may_be_followed_by_others():
    """The answer that is told makes the owner ask for what is back already, and that for the next."""
    requests, asked = Requests(dimension=1), []
    requests.add(7, np.array([[3.0]]), phase=0)
    requests.add(7, WANTED, phase=0, ahead=True)
    sent = requests.take(9)

    def finish(request):
        asked.append(request.thetas[:, 0].tolist())
        if len(asked) == 1:
            requests.add(7, WANTED, phase=0)

    requests.answer(answers(sent, [1, 2]), finish)
    assert asked == []
    requests.answer(answers(sent, [0]), finish)
    assert asked == [[3.0], [1.0, 2.0]]
