"""Settings of the section ``optimization.cmc``: read strictly, with the names and defaults of homodyne.

What they mean to a posterior is in `wilks.facades.homodyne.cmc.core`; many steer parts that the engine does not have.
Where the page contradicts itself, the defaults are those of its signature.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.facades.homodyne.cmc.config_keys import flattened, nested
from wilks.facades.homodyne.cmc.sizing import N_LAMINAR, adapted, points_per_shard, shard_count
from wilks.facades.homodyne.config_keys import problem_with

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CMCConfig"]

MODES = ("auto", "constant", "constant_averaged", "individual")
_CHOICES: dict[str, tuple[str, ...]] = {
    "per_angle_mode": MODES,
    "sharding_strategy": ("random", "stratified", "contiguous", "angle_balanced"),
    "backend_name": ("auto", "multiprocessing", "pjit", "pbs"),
    "chain_method": ("parallel", "sequential", "vectorized"),
    "combination_method": (
        "robust_consensus_mc",
        "consensus_mc",
        "weighted_gaussian",
        "simple_average",
        "auto",
    ),
}
_OWN_CHECK = frozenset({"enable", "num_shards", "max_points_per_shard", "run_id"})
_POSITIVE = frozenset(
    {
        "min_points_for_cmc", "constant_scaling_threshold", "num_samples", "num_chains", "max_tree_depth",
        "min_warmup", "min_samples", "min_ess", "per_shard_timeout", "heartbeat_timeout", "nlsq_prior_width_factor",
        "max_parameter_cv", "min_points_per_shard", "min_points_per_param", "bimodal_min_separation",
    }
)  # fmt: skip
_FRACTIONS = frozenset(
    {
        "target_accept_prob", "max_divergence_rate", "min_success_rate", "min_success_rate_warning",
        "bimodal_min_weight", "min_angle_coverage", "early_abort_threshold",
    }
)  # fmt: skip


@dataclass
class CMCConfig:
    """The settings, flat; `config_keys.KEYS` says which key of the configuration sets which field.

    `min_angle_coverage` and `early_abort_threshold` are keys of the page without a field there.

    Examples
    --------
    >>> config = CMCConfig.from_dict({"enable": True, "per_shard_mcmc": {"num_warmup": 200}})
    >>> config.enable, config.num_warmup, config.num_samples
    (True, 200, 1500)
    >>> CMCConfig(num_chains=0).validate()
    ['num_chains: expected a positive number, got 0']
    """

    enable: bool | str = "auto"
    min_points_for_cmc: int = 100_000
    per_angle_mode: str = "auto"
    constant_scaling_threshold: int = 3
    sharding_strategy: str = "random"
    num_shards: int | str = "auto"
    max_points_per_shard: int | str = "auto"
    backend_name: str = "auto"
    enable_checkpoints: bool = True
    checkpoint_dir: str = "./checkpoints/cmc"
    num_warmup: int = 500
    num_samples: int = 1500
    num_chains: int = 4
    chain_method: str = "parallel"
    target_accept_prob: float = 0.85
    dense_mass: bool = True
    adaptive_sampling: bool = True
    max_tree_depth: int = 10
    min_warmup: int = 100
    min_samples: int = 200
    enable_jax_profiling: bool = False
    jax_profile_dir: str = "./profiles/jax"
    max_r_hat: float = 1.1
    min_ess: float = 400.0
    max_divergence_rate: float = 0.1
    combination_method: str = "robust_consensus_mc"
    min_success_rate: float = 0.9
    run_id: str | None = None
    per_shard_timeout: int = 3600
    heartbeat_timeout: int = 600
    min_success_rate_warning: float = 0.8
    require_nlsq_warmstart: bool = False
    use_nlsq_informed_priors: bool = True
    nlsq_prior_width_factor: float = 2.0
    prior_tempering: bool = True
    max_parameter_cv: float = 1.0
    heterogeneity_abort: bool = True
    min_points_per_shard: int = 10_000
    min_points_per_param: int = 1500
    reparameterization_d_total: bool = True
    reparameterization_log_gamma: bool = True
    bimodal_min_weight: float = 0.2
    bimodal_min_separation: float = 0.5
    seed: int = 42
    min_angle_coverage: float = field(default=0.8, kw_only=True)
    early_abort_threshold: float = field(default=0.5, kw_only=True)
    _validation_errors: list[str] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any]) -> CMCConfig:
        """Read the section ``optimization.cmc``, nested or flat, and check it.

        Raises
        ------
        InvalidConfigurationError
            A ValueError: a key is unknown, or a value cannot be used.
        """
        given = dict(flattened(config_dict))
        for name in ("num_shards", "max_points_per_shard"):
            if isinstance(given.get(name), str) and given[name].isdigit():  # files have numbers in quotes
                given[name] = int(given[name])
        found = cls(**given)
        if not found.is_valid():
            raise InvalidConfigurationError("optimization.cmc: " + "; ".join(found.validate()))
        return found

    def validate(self) -> list[str]:
        """Return what is wrong, in sentences; an empty list if nothing is."""
        found = [text for each in _fields() if (text := self._problem(each.name, each.default))]
        if self.enable not in (True, False, "auto"):
            found.append(f"enable: expected 'auto', true or false, got {self.enable!r}")
        for name in ("num_shards", "max_points_per_shard"):
            value = getattr(self, name)
            if value != "auto" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                found.append(f"{name}: expected 'auto' or a whole number >= 1, got {value!r}")
        if self.run_id is not None and not isinstance(self.run_id, str):
            found.append(f"run_id: expected text, got {self.run_id!r}")
        self._validation_errors = found
        return found

    def _problem(self, name: str, default: object) -> str:
        value = getattr(self, name)
        if name in _OWN_CHECK:
            return ""
        text = problem_with(name, default, value)
        if not text and name in _CHOICES and value not in _CHOICES[name]:
            text = f"{name}: expected one of {', '.join(map(repr, _CHOICES[name]))}, got {value!r}"
        elif not text and name in _POSITIVE and not value > 0:
            text = f"{name}: expected a positive number, got {value!r}"
        elif not text and name in _FRACTIONS and not 0 <= value <= 1:
            text = f"{name}: expected a fraction from 0 to 1, got {value!r}"
        elif not text and name in ("num_warmup", "seed") and value < 0:
            text = f"{name}: expected a whole number >= 0, got {value!r}"
        elif not text and name == "max_r_hat" and not value > 1:
            text = f"{name}: expected a number above 1, got {value!r}"
        return text

    def is_valid(self) -> bool:
        """Can all values be used?"""
        return not self.validate()

    def to_dict(self) -> dict[str, Any]:
        """The nested mapping that `from_dict` reads, with every field."""
        return nested({each.name: getattr(self, each.name) for each in _fields()})

    def should_enable_cmc(self, n_points: int, analysis_mode: str | None = None) -> bool:
        """Would homodyne sample shards and combine them?

        `fit_mcmc_jax` does so where `asks_for_shards`, and samples the posterior of all data otherwise.

        Examples
        --------
        >>> CMCConfig().should_enable_cmc(100_000), CMCConfig(enable=False).should_enable_cmc(100_000)
        (True, False)
        """
        if self.enable != "auto":
            return bool(self.enable)
        return n_points >= self.min_points_for_cmc

    @property
    def asks_for_shards(self) -> bool:
        """Does the configuration ask for shards in so many words: ``enable: true``, or a number or size of them?"""
        explicit = self.num_shards != "auto" or self.max_points_per_shard != "auto"
        return self.enable is True or (self.enable == "auto" and explicit)

    def get_num_shards(self, n_points: int, n_phi: int, n_params: int = 7) -> int:
        """Number of shards; seven physical parameters and more are those of laminar flow.

        A number in the configuration is taken as it is; otherwise see `wilks.facades.homodyne.cmc.sizing`.
        """
        if not isinstance(self.num_shards, str):
            return min(self.num_shards, max(n_points, 1))
        if not isinstance(self.max_points_per_shard, str):
            return shard_count(n_points, self.max_points_per_shard)
        mode = "static" if n_params < N_LAMINAR else "laminar_flow"
        size = points_per_shard(n_points, n_phi, mode, self.num_warmup + self.num_samples)
        return shard_count(n_points, max(size, self.min_points_per_shard, self.min_points_per_param * n_params))

    def get_adaptive_sample_counts(self, shard_size: int, n_params: int = 7) -> tuple[int, int]:
        """Warmup and draws of a chain for a shard of this size.

        Examples
        --------
        >>> CMCConfig().get_adaptive_sample_counts(2000), CMCConfig().get_adaptive_sample_counts(50_000)
        ((140, 350), (500, 1500))
        """
        if not self.adaptive_sampling:
            return self.num_warmup, self.num_samples
        warmup = adapted(self.num_warmup, self.min_warmup, 20, shard_size, n_params)
        return warmup, adapted(self.num_samples, self.min_samples, 50, shard_size, n_params)

    def get_effective_per_angle_mode(
        self, n_phi: int, nlsq_per_angle_mode: str | None = None, has_nlsq_warmstart: bool = False
    ) -> str:
        """How homodyne would treat contrast and offset; `fit_mcmc_jax` samples individual ones where this is "auto".

        Parameters
        ----------
        n_phi
            Number of angles.
        nlsq_per_angle_mode
            That of a fit, which goes before the configuration.
        has_nlsq_warmstart
            Is there a fit?

        Returns
        -------
        str
            ``"auto"`` (one contrast and offset, sampled), ``"constant"``, ``"constant_averaged"`` or
            ``"individual"``.

        Examples
        --------
        >>> config = CMCConfig()
        >>> config.get_effective_per_angle_mode(2), config.get_effective_per_angle_mode(23)
        ('individual', 'auto')
        >>> config.get_effective_per_angle_mode(23, "auto", has_nlsq_warmstart=True)
        'constant_averaged'
        """
        mode = nlsq_per_angle_mode or self.per_angle_mode
        if mode not in MODES:
            raise InvalidConfigurationError(f"nlsq_per_angle_mode: expected one of {', '.join(MODES)}, got {mode!r}")
        if mode != "auto":
            return mode
        if n_phi < self.constant_scaling_threshold:
            return "individual"
        return "constant_averaged" if has_nlsq_warmstart and self.per_angle_mode == "auto" else "auto"

    def not_default(self) -> list[str]:
        """Names of the fields that are not at their default."""
        return [each.name for each in _fields() if getattr(self, each.name) != each.default]


def _fields() -> list[Any]:
    return [each for each in fields(CMCConfig) if not each.name.startswith("_")]
