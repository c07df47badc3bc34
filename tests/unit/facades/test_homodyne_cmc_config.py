"""CMCConfig: what it reads and refuses, and the rules of the page."""

import pytest

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.cmc import CMCConfig, SamplingPlan, get_xpcs_model
from wilks.facades.homodyne.cmc.effects import without_effect
from wilks.facades.homodyne.notices import NoEffectWarning

NESTED = {
    "enable": "auto",
    "min_points_for_cmc": 500_000,
    "per_angle_mode": "constant_averaged",
    "sharding": {"max_points_per_shard": "auto", "strategy": "angle_balanced", "min_angle_coverage": 0.9},
    "sampler": {"target_accept_prob": 0.9},
    "execution": {"per_shard_timeout": 1800, "early_abort_threshold": 0.5},
    "per_shard_mcmc": {"num_warmup": 300, "num_samples": 700, "num_chains": 2},
    "validation": {"max_per_shard_rhat": 1.05, "use_nlsq_informed_priors": False},
    "backend_config": {"name": "pjit"},
}


def test_the_sections_of_the_page_are_read():
    config = CMCConfig.from_dict(NESTED)
    assert (config.sharding_strategy, config.min_angle_coverage, config.per_shard_timeout) == (
        "angle_balanced",
        0.9,
        1800,
    )
    assert (config.target_accept_prob, config.num_warmup, config.num_samples, config.num_chains) == (0.9, 300, 700, 2)
    assert (config.max_r_hat, config.use_nlsq_informed_priors, config.backend_name) == (1.05, False, "pjit")
    assert config.min_points_for_cmc == 500_000


def test_the_dictionary_goes_round():
    config = CMCConfig.from_dict(NESTED)
    assert CMCConfig.from_dict(config.to_dict()) == config
    assert CMCConfig.from_dict({}) == CMCConfig()


@pytest.mark.parametrize(
    "section",
    [{"sharding": {"backend": "pbs"}}, {"backend": "pbs"}, {"backend": {"name": "pbs"}}, {"backend_name": "pbs"}],
)
def test_all_spellings_of_the_backend_are_read(section):
    assert CMCConfig.from_dict(section).backend_name == "pbs"


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"per_shard_mcmc": {"num_warmpu": 1}}, "unknown key 'per_shard_mcmc.num_warmpu'; did you mean"),
        ({"shardnig": {}}, "unknown key 'shardnig'; did you mean 'sharding'"),
        ({"sharding": 3}, "sharding: expected a mapping, got 3"),
        ({"enable": "yes"}, "enable: expected 'auto', true or false, got 'yes'"),
        ({"combination": {"method": "wasp"}}, "combination_method: expected one of"),
        ({"num_shards": 0}, "num_shards: expected 'auto' or a whole number"),
        ({"num_chains": 0}, "num_chains: expected a positive number"),
        ({"num_samples": "many"}, "num_samples: expected a whole number, got 'many'"),
        ({"target_accept_prob": 1.5}, "target_accept_prob: expected a fraction"),
        ({"max_r_hat": 0.9}, "max_r_hat: expected a number above 1"),
        ({"backend": "slurm"}, "backend_name: expected one of"),
        ({"run_id": 3}, "run_id: expected text"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_says_so(section, text):
    with pytest.raises(InvalidConfigurationError) as error:
        CMCConfig.from_dict(section)
    assert text in str(error.value)


def test_numbers_in_quotes_are_read():
    assert CMCConfig.from_dict({"sharding": {"num_shards": "8"}}).num_shards == 8


def test_sharding_is_for_those_who_ask():
    asks = [
        CMCConfig(**given).asks_for_shards
        for given in (
            {},
            {"enable": True},
            {"num_shards": 4},
            {"max_points_per_shard": 500},
            {"enable": False, "num_shards": 4},
        )
    ]
    assert asks == [False, True, True, True, False]
    assert CMCConfig().should_enable_cmc(99_999) is False
    assert CMCConfig().should_enable_cmc(100_000) is True


def test_numbers_of_shards_follow_the_rule():
    config = CMCConfig(min_points_per_shard=1000, min_points_per_param=100)
    # 8000 points for laminar flow below 2e6, times 0.6 for three angles; the usual 2000 draws.
    assert config.get_num_shards(480_000, 3, 7) == 100
    assert config.get_num_shards(480_000, 23, 7) == 60
    assert config.get_num_shards(480_000, 23, 3) == 48
    assert CMCConfig().get_num_shards(480_000, 3, 7) == 46  # 1500 points for each parameter
    assert CMCConfig(num_shards=7).get_num_shards(480_000, 3) == 7
    assert CMCConfig(max_points_per_shard=1000).get_num_shards(480_000, 3) == 480


def test_lengths_of_chains_follow_the_rule():
    config = CMCConfig()
    assert config.get_adaptive_sample_counts(10_000) == (500, 1500)
    assert config.get_adaptive_sample_counts(5000, 7) == (250, 750)
    assert config.get_adaptive_sample_counts(50, 3) == (100, 200)
    assert CMCConfig(adaptive_sampling=False).get_adaptive_sample_counts(50) == (500, 1500)
    plan = SamplingPlan.from_config(config, 50, 3)
    assert (plan.was_adapted, plan.total_samples) == (True, 800)


@pytest.mark.parametrize(
    ("configured", "n_phi", "of_fit", "warm", "expected"),
    [
        ("auto", 2, None, False, "individual"),
        ("auto", 3, None, False, "auto"),
        ("auto", 3, None, True, "constant_averaged"),
        ("auto", 3, "auto", True, "constant_averaged"),
        ("constant", 3, None, True, "constant"),
        ("auto", 3, "individual", True, "individual"),
        ("individual", 3, "constant", False, "constant"),
    ],
)
def test_modes_of_the_angles_have_their_priority(configured, n_phi, of_fit, warm, expected):
    assert CMCConfig(per_angle_mode=configured).get_effective_per_angle_mode(n_phi, of_fit, warm) == expected


def test_models_describe_themselves():
    assert get_xpcs_model("auto", use_reparameterization=True).name == "xpcs_model_reparameterized"
    with pytest.warns(NoEffectWarning, match="for per_angle_mode='auto' only"):
        assert get_xpcs_model("constant", use_reparameterization=True).__name__ == "xpcs_model_constant"
    with pytest.raises(InvalidConfigurationError, match="did you mean 'constant'"):
        get_xpcs_model("constent")


def test_settings_without_effect_are_listed_with_the_reason():
    config = CMCConfig(num_warmup=10, combination_method="consensus_mc", seed=1)
    assert list(without_effect(config, sharded=False)) == ["num_warmup", "combination_method"]
    assert list(without_effect(config, sharded=True)) == ["num_warmup"]
