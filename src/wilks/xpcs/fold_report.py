"""What was found in correlation matrices when they were folded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wilks.xpcs.storage import Storage

# Two estimates of the same noise that differ by more tell that the noise is not white, or shared by the halves.
_AGREE = 0.1
# Part of the pairs that may be missing before it is a reason for doubt.
_MANY = 0.2


@dataclass(frozen=True)
class FoldReport:
    """Storage, gaps and noise of every angle.

    Attributes
    ----------
    angles
        Indices of the angles; the tuples below are in this order.
    storage
        How each matrix was stored: "full", "mirrored", "upper", "lower" or "dead".
    n_pairs
        Number of pairs of times of an angle.
    n_masked
        Number of pairs of each angle that are not used: not finite, or masked.
    dead_angles, constant_angles
        Indices of angles without any pair, and of angles whose values are all the same.
    dtype
        Type in which the pairs are kept.
    sigma_source
        Where the standard deviations come from.
    sigma, sigma_of_halves
        Standard deviation of a folded pair of weight 1, and its estimate from the difference of independent halves
        (NaN where there are none).
    """

    angles: tuple[int, ...]
    storage: tuple[Storage, ...]
    n_pairs: int
    n_masked: tuple[int, ...]
    dead_angles: tuple[int, ...]
    constant_angles: tuple[int, ...]
    dtype: str
    sigma_source: str
    sigma: tuple[float, ...]
    sigma_of_halves: tuple[float, ...]

    @property
    def masked_fraction(self) -> float:
        """Part of all pairs that is not used."""
        return sum(self.n_masked) / (self.n_pairs * len(self.angles))

    def masked(self) -> str:
        """A sentence about pairs that are not used; empty where all are."""
        if not any(self.n_masked):
            return ""
        each = [
            f"{self.n_masked[k] / self.n_pairs:.1%} of angle {angle}"
            for k, angle in enumerate(self.angles)
            if self.n_masked[k] and angle not in self.dead_angles
        ]
        listed = f" ({_some(each)})" if each else ""
        return f"{sum(self.n_masked)} pairs ({self.masked_fraction:.2%}) are not used{listed}"

    def remarks(self) -> tuple[str, ...]:
        """Sentences about what casts a doubt on the data."""
        remarks = []
        if self.masked_fraction > _MANY:
            remarks.append(self.masked())
        if self.dead_angles:
            remarks.append(f"no value is known of {_angles(self.dead_angles)}")
        if self.constant_angles:
            remarks.append(
                f"the values are constant, and determine nothing but an offset, of {_angles(self.constant_angles)}"
            )
        far = tuple(
            angle
            for angle, one, other in zip(self.angles, self.sigma, self.sigma_of_halves, strict=True)
            if abs(other - one) > _AGREE * one
        )
        if far:
            remarks.append(
                f"sigma ({self.sigma_source}) and the difference of the halves of the matrix disagree by more than "
                f"{_AGREE:.0%} for {_angles(far)}: the noise is not what it was taken for"
            )
        return tuple(remarks)

    def only(self, angle: int) -> FoldReport:
        """The report of one of the angles."""
        k = self.angles.index(angle)
        return replace(
            self,
            angles=(angle,),
            storage=self.storage[k : k + 1],
            n_masked=self.n_masked[k : k + 1],
            dead_angles=tuple(each for each in self.dead_angles if each == angle),
            constant_angles=tuple(each for each in self.constant_angles if each == angle),
            sigma=self.sigma[k : k + 1],
            sigma_of_halves=self.sigma_of_halves[k : k + 1],
        )

    @staticmethod
    def joined(reports: Sequence[FoldReport]) -> FoldReport:
        """One report of batches of angles that were folded one after the other."""
        first = reports[0]
        return FoldReport(
            angles=tuple(angle for report in reports for angle in report.angles),
            storage=tuple(each for report in reports for each in report.storage),
            n_pairs=first.n_pairs,
            n_masked=tuple(count for report in reports for count in report.n_masked),
            dead_angles=tuple(angle for report in reports for angle in report.dead_angles),
            constant_angles=tuple(angle for report in reports for angle in report.constant_angles),
            dtype=first.dtype,
            sigma_source=first.sigma_source,
            sigma=tuple(value for report in reports for value in report.sigma),
            sigma_of_halves=tuple(value for report in reports for value in report.sigma_of_halves),
        )


def _angles(angles: Sequence[int]) -> str:
    return f"angle{'s' if len(angles) > 1 else ''} {_some([str(angle) for angle in angles])}"


def _some(texts: Sequence[str], limit: int = 8) -> str:
    return ", ".join([*texts[:limit], *([f"and {len(texts) - limit} more"] if len(texts) > limit else [])])
