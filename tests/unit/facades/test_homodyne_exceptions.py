"""Errors, what to try after them, checks of numbers, and statistics of batches."""

import logging
import math
import pickle

import numpy as np
import pytest

import wilks
from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.batch_statistics import BatchStatistics
from wilks.facades.homodyne.exceptions import (
    NLSQCheckpointError,
    NLSQConvergenceError,
    NLSQNumericalError,
    NLSQOptimizationError,
)
from wilks.facades.homodyne.numerical_validation import NumericalValidator
from wilks.facades.homodyne.recovery_strategies import RecoveryStrategyApplicator

P0 = np.array([1.0, 2.0])


class Optimizer:
    """Fails as it is told until it is called with an argument more."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = []

    def fit(self, data, model, p0, **options):
        self.calls.append((p0, options))
        if self.errors:
            raise self.errors.pop(0)
        return "fitted"


def test_targeted_recovery_example_of_the_page():
    data, model, p0, lr = None, None, P0, 0.1
    for error in (NLSQNumericalError("overflow"), NLSQConvergenceError("no")):
        optimizer = Optimizer(error)
        try:
            result = optimizer.fit(data, model, p0)
        except NLSQNumericalError as e:
            # Handle NaN/Inf with learning rate reduction
            caught = e
            result = optimizer.fit(data, model, p0, learning_rate=0.5 * lr)
        except NLSQConvergenceError as e:
            # Handle convergence failure with perturbation
            caught = e
            p0_perturbed = p0 * (1 + 0.01 * np.random.randn(*p0.shape))  # noqa: NPY002 - as on the page
            result = optimizer.fit(data, model, p0_perturbed)
        assert caught is error
        assert result == "fitted"
        assert len(optimizer.calls) == 2


def test_generic_handling_example_of_the_page(caplog):
    logger = logging.getLogger("test")
    optimizer = Optimizer(NLSQCheckpointError("disk full"))

    def use_fallback_strategy():
        return "simpler"

    try:
        result = optimizer.fit(None, None, P0)
    except NLSQOptimizationError as e:
        logger.error(f"Optimization failed: {e}")  # noqa: G004, TRY400 - as on the page
        # Fallback to simpler strategy
        result = use_fallback_strategy()
    assert result == "simpler"
    assert "disk full" in caplog.text


def test_context_example_of_the_page(capsys):
    try:
        Optimizer(NLSQOptimizationError("lost", {"n_params": 53})).fit(None, None, P0)
    except NLSQOptimizationError as e:
        print(f"Optimization failed: {e}")  # noqa: T201 - as on the page
        print(f"Context: {e.error_context}")  # noqa: T201 - as on the page
    assert capsys.readouterr().out == ("Optimization failed: lost (context: n_params=53)\nContext: {'n_params': 53}\n")


def test_convergence_example_of_the_page(capsys):
    optimizer = Optimizer(NLSQConvergenceError("no", iteration_count=100, final_loss=0.5, parameters=P0))
    try:
        result = optimizer.fit(None, None, P0, max_iter=100)
    except NLSQConvergenceError as e:
        print(f"Failed after {e.iteration_count} iterations")  # noqa: T201 - as on the page
        print(f"Final loss: {e.final_loss}")  # noqa: T201 - as on the page
        # Retry with more iterations
        result = optimizer.fit(None, None, P0, max_iter=500)
    assert result == "fitted"
    assert capsys.readouterr().out == "Failed after 100 iterations\nFinal loss: 0.5\n"


def test_numerical_example_of_the_page():
    lower, upper = np.array([1.0, 1.0]), np.array([2.0, 2.0])
    for point, option in (("gradient", "learning_rate"), ("parameter", "bounds")):
        optimizer = Optimizer(NLSQNumericalError("overflow", point, "2 NaN"))
        try:
            optimizer.fit(None, None, P0)
        except NLSQNumericalError as e:
            if e.detection_point == "gradient":
                # Reduce learning rate
                optimizer.fit(None, None, P0, learning_rate=0.01)
            elif e.detection_point == "parameter":
                # Tighten bounds
                bounds = (lower * 0.8, upper * 0.8)
                optimizer.fit(None, None, P0, bounds=bounds)
        assert option in optimizer.calls[1][1]


@pytest.mark.parametrize("operation", ["load", "save"])
def test_checkpoint_example_of_the_page(operation):
    errors = [NLSQCheckpointError("bad", "a.h5", operation, OSError("disk"))]

    def HybridStreamingConfig(enable_checkpoints):
        return enable_checkpoints

    def AdaptiveHybridStreamingOptimizer(config):
        return Optimizer(*errors) if config else Optimizer()

    data, model, p0 = None, None, P0
    try:
        config = HybridStreamingConfig(enable_checkpoints=True)
        optimizer = AdaptiveHybridStreamingOptimizer(config)
        result = optimizer.fit(data, model, p0)
    except NLSQCheckpointError as e:
        if e.operation == "load":
            # Start fresh if checkpoint is corrupted
            config = HybridStreamingConfig(enable_checkpoints=False)
            optimizer = AdaptiveHybridStreamingOptimizer(config)
            result = optimizer.fit(data, model, p0)
        elif e.operation == "save":
            # Continue without checkpoints
            config = HybridStreamingConfig(enable_checkpoints=False)
            optimizer = AdaptiveHybridStreamingOptimizer(config)
            result = optimizer.fit(data, model, p0)
    assert result == "fitted"


ERRORS = [
    (NLSQOptimizationError("x", {"a": 1}), wilks.WilksError, "x (context: a=1)"),
    (NLSQConvergenceError("x", 3, 0.1, P0), RuntimeError, "x (context: iteration_count=3, final_loss=0.1)"),
    (NLSQNumericalError("x", "loss", "nan"), FloatingPointError, "x (context: detection_point=loss)"),
    (
        NLSQCheckpointError("x", "a.h5", "load", OSError("q")),
        wilks.CheckpointError,
        "x (context: checkpoint_path=a.h5, operation=load, io_error_type=OSError)",
    ),
]


@pytest.mark.parametrize(("error", "kind", "text"), ERRORS, ids=lambda value: type(value).__name__)
def test_errors_are_errors_of_wilks_and_travel_between_processes(error, kind, text):
    assert isinstance(error, kind)
    assert isinstance(error, (NLSQOptimizationError, wilks.WilksError))
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error) == text
    assert (copy.message, copy.error_context) == (error.message, error.error_context)
    assert copy.__dict__.keys() == error.__dict__.keys()


# ---- recovery --------------------------------------------------------------------------------------------------------


def test_recovery_example_of_the_page():
    params = np.array([1000.0, 0.5, 10.0])
    applicator = RecoveryStrategyApplicator(max_retries=2)
    error = NLSQConvergenceError("Failed to converge")
    strategy_name, modified_params = applicator.get_recovery_strategy(
        error, params, attempt=0
    )  # fmt: skip
    # strategy_name is "perturb_parameters"
    # modified_params has 5% random noise added

    assert strategy_name == "perturb_parameters"
    changes = modified_params / params - 1
    assert (changes != 0).all()
    assert np.abs(changes).max() < 0.25


def test_noise_has_the_size_that_is_said():
    _, found = RecoveryStrategyApplicator().get_recovery_strategy(NLSQConvergenceError("x"), np.full(10_000, 8.0), 0)
    assert (found / 8 - 1).std() == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (NLSQConvergenceError("x"), ["perturb_parameters", "increase_iterations", "relax_tolerance", None]),
        (NLSQNumericalError("x"), ["reduce_step_size", "tighten_bounds", "rescale_data", None]),
        (NLSQCheckpointError("x"), [None]),
        (ValueError("x"), [None]),
    ],
)
def test_what_to_try_comes_in_order_until_there_is_nothing_left(error, names):
    applicator = RecoveryStrategyApplicator(max_retries=5)
    found = [applicator.get_recovery_strategy(error, P0, attempt) for attempt in range(len(names))]
    assert [each and each[0] for each in found] == names
    assert RecoveryStrategyApplicator(max_retries=1).get_recovery_strategy(error, P0, 1) is None


def test_parameters_stay_within_bounds_and_leave_them_when_these_are_tightened():
    applicator, box = RecoveryStrategyApplicator(), (np.zeros(3), np.array([1.0, 1.0, np.inf]))
    _, found = applicator.get_recovery_strategy(NLSQConvergenceError("x"), np.array([1.0, 0.0, 5.0]), 0, box)
    assert (found >= 0).all()
    assert (found[:2] <= 1).all()
    assert found[1] < 0.3
    _, found = applicator.get_recovery_strategy(NLSQNumericalError("x"), np.array([1.0, 0.0, 0.0]), 1, box)
    np.testing.assert_allclose(found, [0.95, 0.05, 0.0])
    again = RecoveryStrategyApplicator().get_recovery_strategy(NLSQConvergenceError("x"), P0, 0)[1]
    assert (
        again.tolist()
        == RecoveryStrategyApplicator().get_recovery_strategy(NLSQConvergenceError("x"), P0, 0)[1].tolist()
    )


# ---- numerical validation --------------------------------------------------------------------------------------------


def test_validator_example_of_the_page(capsys):
    gradients, params, bounds, loss_value = np.array([1.0, np.nan]), P0, (P0 - 1, P0 + 1), 1.0
    validator = NumericalValidator(enable_validation=True)
    try:
        validator.validate_gradients(gradients)
        validator.validate_parameters(params, bounds)
        validator.validate_loss(loss_value)
    except NLSQNumericalError as e:
        print(f"Numerical error at {e.detection_point}")  # noqa: T201 - as on the page
    assert capsys.readouterr().out == "Numerical error at gradient\n"


@pytest.mark.parametrize(
    ("check", "value", "point", "text"),
    [
        ("validate_gradients", [[0.0, np.inf]], "gradient", r"1 of 2 values of the gradient .*gradient\[0, 1\] = inf"),
        ("validate_parameters", [np.nan, 2.0], "parameter", r"parameter\[0\] = nan"),
        ("validate_parameters", [1.0, 9.0], "parameter", r"parameter\[1\] = 9, expected 1 to 3"),
        ("validate_loss", -np.inf, "loss", "loss are not finite"),
    ],
)
def test_each_point_of_detection(check, value, point, text):
    validator = NumericalValidator(bounds=(P0 - 1, P0 + 1))
    with pytest.raises(NLSQNumericalError, match=text) as caught:
        getattr(validator, check)(value)
    assert caught.value.detection_point == point
    getattr(NumericalValidator(enable_validation=False, bounds=(P0 - 1, P0 + 1)), check)(value)


def test_good_numbers_pass_and_bounds_can_be_changed():
    validator = NumericalValidator(bounds=(P0 - 1, P0 + 1))
    validator.validate_gradients(P0)
    validator.validate_parameters(P0 + 1)
    validator.validate_loss(3.0)
    validator.validate_parameters([7.0, 7.0], (np.zeros(2), np.full(2, 8.0)))
    validator.set_bounds((np.zeros(2), np.ones(2)))
    with pytest.raises(NLSQNumericalError):
        validator.validate_parameters(P0)
    with pytest.raises(InvalidConfigurationError, match="lower <= upper"):
        validator.set_bounds((np.ones(2), np.zeros(2)))
    with pytest.raises(InvalidConfigurationError, match="bounds"):
        validator.validate_parameters(np.zeros(3))


# ---- batches ---------------------------------------------------------------------------------------------------------


def test_batch_example_of_the_page():
    stats = BatchStatistics(max_size=100)
    stats.record_batch(
        batch_idx=0,
        success=True,
        loss=0.123,
        iterations=50,
        recovery_actions=[],
    )
    assert stats.get_success_rate() == 1.0


def test_recent_batches_and_totals():
    stats = BatchStatistics(max_size=2)
    assert (stats.get_success_rate(), stats.get_average_iterations()) == (1.0, 0.0)
    assert math.isnan(stats.get_average_loss())
    stats.record_batch(0, False, 9.0, 3, ["perturb_parameters"], "NLSQConvergenceError")
    assert math.isnan(stats.get_average_loss())
    stats.record_batch(1, True, 0.1, 5, [])
    assert (stats.get_success_rate(), stats.get_average_loss(), stats.get_average_iterations()) == (0.5, 0.1, 4.0)
    stats.record_batch(2, True, 0.3, 7, [])
    found = stats.get_statistics()
    assert (found["total_batches"], found["total_successes"], found["total_failures"]) == (3, 2, 1)
    assert (found["success_rate"], found["average_loss"]) == (1.0, pytest.approx(0.2))
    assert found["error_distribution"] == {"NLSQConvergenceError": 1}
    assert [batch["batch_idx"] for batch in found["recent_batches"]] == [1, 2]
    with pytest.raises(InvalidConfigurationError, match="max_size"):
        BatchStatistics(0)
