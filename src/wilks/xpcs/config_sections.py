"""The sections of a configuration of `wilks.xpcs`: their keys, their defaults, and the objects of the fit they mean.

Every section is plain data once it is validated, with all defaults filled in; a method of it makes what the fit takes.
The defaults are those of the fit, taken from there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from wilks.core.errors import InvalidConfigurationError
from wilks.core.parameter import Real
from wilks.store.document import wrong
from wilks.store.validation import Settings
from wilks.xpcs import config_choices as choices
from wilks.xpcs.files import ReadOptions, parse_angles, read
from wilks.xpcs.model import PHYSICAL_NAMES, Geometry
from wilks.xpcs.options import FitOptions
from wilks.xpcs.parameters import DEFAULTS
from wilks.xpcs.scaling import CONTRAST_BOUNDS, OFFSET_BOUNDS, Shrinkage
from wilks.xpcs.simulation import simulate

if TYPE_CHECKING:
    from wilks.xpcs.convention import Convention
    from wilks.xpcs.data import TwoTimeData

LAYOUTS = ("aps_u", "aps_old", "npz")
FORMATS = ("json", "npz", "hdf5")

_READ = ReadOptions()
_FIT = FitOptions()
_SCALING_BOXES = {"contrast": Real(*CONTRAST_BOUNDS), "offset": Real(*OFFSET_BOUNDS)}


class Data(Settings):
    """What to read.

    Attributes
    ----------
    file
        The file with the matrices.
    layout
        ``"auto"``, or one of `LAYOUTS`.
    q, q_tolerance
        Wave vector in 1/Å, and how far matrices may be from it, as a fraction; None if the file has only one.
    angles, angle_tolerance
        Angles and ranges in degrees, as a list or as text such as ``"-10:10,80"``, and how near an angle must be; None
        for all.
    frames
        First and last frame, counted from 1; None as the last one is the end.
    dt, gap
        Time between frames in s, and width of the gap in Å; None if the file knows the first, and nothing flows.
    sigma
        Standard deviation of a pixel; None estimates it.
    cache
        Folder for what was read; None reads the file each time.
    """

    file: str = Field(min_length=1)
    layout: Annotated[str, choices.one_of("auto", *LAYOUTS)] = _READ.layout
    q: float | None = Field(None, gt=0)
    q_tolerance: float = Field(_READ.q_tolerance, gt=0, lt=1)
    angles: choices.AnglesChoice = None
    angle_tolerance: float = Field(_READ.angle_tolerance, gt=0, lt=180)
    frames: choices.FramesChoice = Field(default_factory=lambda: [1, None])
    dt: float | None = Field(None, gt=0)
    gap: float | None = Field(None, gt=0)
    sigma: float | None = Field(None, gt=0)
    cache: str | None = Field(None, min_length=1)

    def chosen_angles(self) -> tuple[float | tuple[float, float], ...] | None:
        """Return the angles and ranges that are asked for; None for all."""
        if isinstance(self.angles, str):
            return parse_angles(self.angles)
        return None if self.angles is None else tuple(tuple(a) if isinstance(a, list) else a for a in self.angles)

    def read(self) -> TwoTimeData:
        """Read the data."""
        options = ReadOptions(
            layout=self.layout,  # type: ignore[arg-type]  # checked above
            q_tolerance=self.q_tolerance,
            angle_tolerance=self.angle_tolerance,
            cache=None if self.cache is None else Path(self.cache),
            sigma=self.sigma,
        )
        first, last = self.frames
        return read(
            Path(self.file),
            self.q,
            angles=self.chosen_angles(),
            frames=(first, last),
            dt=self.dt,
            gap=self.gap,
            options=options,
        )


class Model(Settings):
    """What to fit.

    Attributes
    ----------
    mode
        ``"static"`` or ``"laminar_flow"``.
    convention
        Name of a convention, or its factors.
    scaling
        How contrast and offset depend on the angle.
    parameters
        Name -> a number, which fixes it, or its bounds and scale; all parameters of the mode are there.
    start
        Values to start from besides those of the search, or None.
    """

    mode: choices.ModeChoice = "laminar_flow"
    convention: choices.ConventionChoice = "physical"
    scaling: choices.ScalingChoice = "individual"
    parameters: choices.ParameterChoices = Field(default_factory=dict)
    start: choices.Start = None

    @model_validator(mode="after")
    def _complete(self) -> Model:
        """Fill in the boxes of the parameters that are not named, and scales that are not given."""
        default = {name: DEFAULTS[name] for name in PHYSICAL_NAMES[self.mode]} | _SCALING_BOXES
        found = {name: self.parameters.get(name, box_of(real)) for name, real in default.items()}
        found |= {name: choice for name, choice in self.parameters.items() if name not in found}
        for name, choice in found.items():
            if isinstance(choice, dict) and choice["scale"] is None:
                usual = default[name].scale if name in default else "linear"
                found[name] = {**choice, "scale": usual if choice["bounds"][0] > 0 else "linear"}
        self.__dict__["parameters"] = found  # frozen for everybody else
        return self

    def real_or_number(self, name: str) -> Real | float:
        """Return the box of a parameter, or the value it is fixed at."""
        choice = self.parameters[name]
        if not isinstance(choice, dict):
            return float(choice)
        lower, upper = choice["bounds"]
        return Real(lower, upper, scale=choice["scale"])


def box_of(real: Real) -> dict[str, Any]:
    """Return the plain form of a box."""
    return {"bounds": [real.lower, real.upper], "scale": real.scale}


class Regularisation(Settings):
    """Widths with which contrasts and offsets spread about their mean, as in `wilks.xpcs.Shrinkage`."""

    contrast: float | None = Field(None, gt=0)
    offset: float | None = Field(None, gt=0)
    relative: bool = False

    @model_validator(mode="after")
    def _some_width(self) -> Regularisation:
        if self.contrast is None and self.offset is None:
            raise wrong("expected a width for contrast, for offset, or for both")
        return self


class Fit(Settings):
    """How to look for the best fit, as in `wilks.xpcs.FitOptions`."""

    method: str = _FIT.method
    n_starts: int = _FIT.n_starts
    n_refined: int = _FIT.n_refined
    n_restarts: int = _FIT.n_restarts
    design: str = _FIT.design
    loss: choices.LossChoice = _FIT.loss.name
    weights: choices.WeightsChoice = None
    regularisation: Regularisation | None = None
    memory_limit: choices.MemoryChoice = _FIT.memory_limit
    kernel: str = _FIT.kernel
    n_threads: int | None = _FIT.n_threads
    tolerance: float = _FIT.tolerance
    max_iterations: int = _FIT.max_iterations

    @model_validator(mode="after")
    def _usable(self) -> Fit:
        try:
            self.made()
        except InvalidConfigurationError as error:
            name, _, text = choices.reason(error).partition(": ")  # FitOptions: name: text
            raise wrong(text, at=(name,)) from None
        return self

    def made(self) -> FitOptions:
        """Return the options."""
        plain = {name: getattr(self, name) for name in type(self).model_fields}
        shrunk = self.regularisation
        return FitOptions(
            **{
                **plain,
                "loss": choices.loss_of(self.loss),
                "weights": choices.weights_of(self.weights),
                "regularisation": None if shrunk is None else Shrinkage(**shrunk.model_dump()),
            }
        )


class Output(Settings):
    """What to write.

    Attributes
    ----------
    folder
        Where to; None for the name of the data file with ``-fit``, in the working folder.
    formats
        Files with all numbers, out of `FORMATS`.
    pictures, report
        Whether to write these.
    """

    folder: str | None = Field(None, min_length=1)
    formats: list[Annotated[str, choices.one_of(*FORMATS)]] = Field(default_factory=lambda: list(FORMATS))
    pictures: bool = True
    report: bool = True


class ProfileTask(Settings):
    """One profile of the likelihood.

    Attributes
    ----------
    over
        Names of the parameters on the axes.
    grid
        Number of nodes of each, in the order of `over`; None lets `wilks.profile` choose.
    roi_threshold
        Depth of the map below the best log-likelihood; None for that of `wilks.profile`.
    """

    over: choices.Names = Field(min_length=1)
    grid: list[Annotated[int, Field(ge=2)]] | None = None
    roi_threshold: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _agreement(self) -> ProfileTask:
        for position, name in enumerate(self.over):
            if name in self.over[:position]:
                raise wrong(f"{name!r} is there twice", at=("over", position))
        if self.grid is not None and len(self.grid) != len(self.over):
            raise wrong(
                f"expected {len(self.over)} numbers of nodes, one for each of {', '.join(self.over)}, "
                f"got {len(self.grid)}",
                at=("grid",),
            )
        return self

    def arguments(self) -> dict[str, Any]:
        """Return the keywords for `wilks.profile`."""
        found: dict[str, Any] = {"over": tuple(self.over)}
        if self.grid is not None:
            found["grid"] = tuple(self.grid)
        if self.roi_threshold is not None:
            found["roi_threshold"] = self.roi_threshold
        return found


class Simulation(Settings):
    """A measurement to make up.

    Attributes
    ----------
    values
        All physical parameters of the mode.
    n_frames, dt
        Number of frames, and the time between them in s.
    q, gap, phi
        Wave vector in 1/Å, width of the gap in Å (None if nothing flows), angles in degrees.
    contrast, offset, sigma
        One number, or one for every angle; sigma is the standard deviation of the noise of a pixel.
    layout
        Of the file, one of `LAYOUTS`.
    """

    values: choices.Values
    n_frames: int = Field(ge=3)
    dt: float = Field(gt=0)
    q: float = Field(gt=0)
    gap: float | None = Field(None, gt=0)
    phi: choices.Numbers
    contrast: choices.PerAngle = 0.3
    offset: choices.PerAngle = 1.0
    sigma: choices.PerAngle = 0.0
    layout: Annotated[str, choices.one_of(*LAYOUTS)] = "aps_u"

    @model_validator(mode="after")
    def _one_each(self) -> Simulation:
        for name in ("contrast", "offset", "sigma"):
            given = getattr(self, name)
            if isinstance(given, list) and len(given) != len(self.phi):
                raise wrong(
                    f"expected one number, or one for each of the {len(self.phi)} angles, got {len(given)}", at=(name,)
                )
        if np.min(self.sigma) < 0:
            raise wrong(f"expected numbers >= 0, got {self.sigma}", at=("sigma",))
        return self

    def made(self, mode: str, convention: Convention, seed: int) -> TwoTimeData:
        """Return the data."""
        times = np.arange(self.n_frames, dtype=np.float64) * self.dt
        geometry = Geometry(times, self.dt, self.q, self.gap, np.asarray(self.phi), convention)
        return simulate(
            self.values,
            geometry,
            contrast=self.contrast,
            offset=self.offset,
            sigma=self.sigma,
            mode=mode,
            seed=seed,
        )
