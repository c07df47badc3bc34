"""Combinations of exact shard posteriors against the truth, and what they cost.

    python benchmarks/consensus.py [--draws 4000] [--repeats 2000]

Bias is that of the mean along the worst direction, in posterior standard deviations; "sd" is the range of the ratios of
standard deviations over all directions. "marginal" is the consensus of every parameter alone, which is what several
programs do; it is computed here for comparison and is no method of the package.
"""

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from wilks.samplers.consensus.combination import METHODS, combined
from wilks.samplers.consensus.heterogeneity import heterogeneity
from wilks.samplers.consensus.modes import GaussianMixture
from wilks.samplers.consensus.robust import outlying
from wilks.samplers.consensus.shard import ShardPosterior, ShardSample, shard_posterior

Array = NDArray[np.float64]


def shard(number: int, x: Array) -> ShardPosterior:
    sample = ShardSample(x, np.full(len(x), -np.log(len(x))), float(len(x)), True, len(x), "exact draws")
    generator = np.random.default_rng(number)
    return shard_posterior(number, sample, len(x), generator, references=np.empty(0), seconds=0.0)


def gaussian(means: Array, covariances: Array, n: int) -> tuple[list[ShardPosterior], Array, Array]:
    """Shards that are Gaussian, with mean and covariance of their product."""
    generator = np.random.default_rng(1)
    pairs = zip(means, covariances, strict=True)
    shards = [shard(k, generator.multivariate_normal(m, c, size=n)) for k, (m, c) in enumerate(pairs)]
    # The truth given the moments of the draws: what is left is the error of the combination.
    precisions = [np.linalg.inv(s.covariance) for s in shards]
    covariance = np.linalg.inv(np.sum(precisions, axis=0))
    mean = covariance @ np.sum([p @ s.mean for p, s in zip(precisions, shards, strict=True)], axis=0)
    return shards, mean, covariance


def stiff(n: int, scale: float = 1.0) -> tuple[list[ShardPosterior], Array, Array]:
    covariance = 10 * scale**2 * np.array([[1.0, 0.99], [0.99, 1.0]])
    means = np.random.default_rng(2).multivariate_normal([0.0, 0.0], covariance, size=10)
    return gaussian(means, np.array([covariance] * 10), n)


def rotated(n: int) -> tuple[list[ShardPosterior], Array, Array]:
    turns = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in np.radians([0, 45, 90, 135])]
    covariances = np.array([turn @ np.diag([9.0, 0.01]) @ turn.T for turn in turns])
    generator = np.random.default_rng(3)
    means = np.array([generator.multivariate_normal([0.0, 0.0], c) for c in covariances])
    return gaussian(means, covariances, n)


def marginal(shards: list[ShardPosterior]) -> tuple[Array, Array]:
    weights = np.array([1.0 / np.diag(s.covariance) for s in shards])
    variances = 1.0 / weights.sum(axis=0)
    return variances * (weights * np.array([s.mean for s in shards])).sum(axis=0), np.diag(variances)


def compare(title: str, shards: list[ShardPosterior], mean: Array, covariance: Array) -> None:
    size = np.sqrt(np.diag(covariance))
    white = np.linalg.inv(size[:, None] * np.linalg.cholesky(covariance / np.outer(size, size)))
    print(f"\n{title}\n{'method':20s} {'bias':>8s} {'sd':>16s} {'correlation':>12s} {'ms':>8s}")
    for method in (*METHODS, "marginal"):
        began = time.perf_counter()
        if method == "marginal":
            found, spread = marginal(shards)
        else:
            result = combined(shards, method, np.random.default_rng(4))
            found, spread = result.mean, result.covariance
        milliseconds = 1e3 * (time.perf_counter() - began)
        stretched = np.sqrt(np.linalg.eigvalsh(white @ spread @ white.T))
        correlation = spread[0, 1] / np.sqrt(spread[0, 0] * spread[1, 1])
        bias = np.linalg.norm(white @ (found - mean))
        sd = f"{stretched[0]:.3f} ... {stretched[-1]:.2f}"
        print(f"{method:20s} {bias:8.3f} {sd:>16s} {correlation:12.4f} {milliseconds:8.1f}")
    print(f"true correlation {covariance[0, 1] / np.prod(size):.4f}; {heterogeneity(shards)}")


def skewed(n: int) -> None:
    """Gamma shards: the truth is a Gamma distribution too."""
    generator = np.random.default_rng(5)
    n_shards, shape = 20, 4.0
    shards = [shard(k, generator.gamma(shape, size=(n, 1))) for k in range(n_shards)]
    total = n_shards * (shape - 1) + 1
    mean, sd = total / n_shards, np.sqrt(total) / n_shards
    print(f"\n{n_shards} Gamma({shape:g}) shards, before they are weighted\n{'method':20s} {'bias':>8s} {'sd':>8s}")
    for method in METHODS:
        found = combined(shards, method, generator)
        print(f"{method:20s} {(found.mean[0] - mean) / sd:8.3f} {np.sqrt(found.covariance[0, 0]) / sd:8.3f}")


def false_alarms(n_repeats: int) -> None:
    """Homogeneous shards: how often is one dropped, and how often do they seem to disagree?"""
    generator = np.random.default_rng(6)
    n_shards, d, n = 8, 3, 1000
    dropped = disagree = trimmed = 0
    for _ in range(n_repeats):
        root = generator.standard_normal((d, d)) + 2 * np.eye(d)
        covariance = root @ root.T
        shards = []
        for k, mean in enumerate(generator.multivariate_normal(np.zeros(d), covariance, size=n_shards)):
            x = generator.multivariate_normal(mean, covariance, size=n)
            modes = GaussianMixture(np.zeros(1), mean[None], covariance[None])
            posterior = ShardPosterior(k, x, x.mean(axis=0), np.cov(x.T), n, True, n, "", modes, np.empty(0), 0.0)
            shards.append(posterior)
        dropped += bool(outlying(shards))
        disagree += heterogeneity(shards).p_value < 0.05
        means = np.array([s.mean[0] for s in shards])
        away = np.abs(means - np.median(means))
        trimmed += (0.6745 * away / np.median(away) >= 3.5).any()
    print(f"\n{n_repeats} sets of {n_shards} shards of one model, {d} parameters")
    print(f"a shard is dropped: {dropped / n_repeats:.1%} (nominal 5 %)")
    print(f"they disagree, p < 0.05: {disagree / n_repeats:.1%} (nominal 5 %)")
    print(f"a median cut at 3.5 drops a shard for the first parameter: {trimmed / n_repeats:.1%}")


def growth() -> None:
    generator = np.random.default_rng(7)
    d, n = 7, 1000
    x = generator.standard_normal((n, d))
    modes = GaussianMixture(np.zeros(1), np.zeros((1, d)), np.eye(d)[None])
    print(
        f"\nseconds for {d} parameters and {n} draws from each shard"
        f"\n{'shards':>8s} {'consensus':>12s} {'hierarchical':>14s}"
    )
    for n_shards in (10, 100, 1000):
        shards = [
            ShardPosterior(k, x + 0.1 * k, np.full(d, 0.1 * k), np.eye(d), n, True, n, "", modes, np.empty(0), 0.0)
            for k in range(n_shards)
        ]
        seconds = []
        for method in ("consensus", "hierarchical"):
            began = time.perf_counter()
            combined(shards, method, generator)
            seconds.append(time.perf_counter() - began)
        print(f"{n_shards:8d} {seconds[0]:12.3f} {seconds[1]:14.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--repeats", type=int, default=2000)
    given = parser.parse_args()
    compare("10 Gaussian shards, correlation 0.99", *stiff(given.draws))
    compare("the same, of size 1e-7", *stiff(given.draws, 1e-7))
    compare("4 Gaussian shards with rotated covariances", *rotated(given.draws))
    skewed(given.draws)
    false_alarms(given.repeats)
    growth()


if __name__ == "__main__":
    main()
