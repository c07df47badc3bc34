"""What of a configuration of the packages homodyne or xpcsjax is taken over, section by section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wilks.core.errors import InvalidConfigurationError
from wilks.store.document import shorten, suggestion
from wilks.xpcs.config_sections import FORMATS
from wilks.xpcs.options import FitOptions
from wilks.xpcs.parameters import SCALING_NAMES, check_mode

if TYPE_CHECKING:
    from wilks.xpcs.translation_writer import Writer

_NLSQ = "optimization.nlsq"
_ANGLES = f"{_NLSQ}.anti_degeneracy"
_DEFAULTS = FitOptions()
_LAYERS = {
    "data_filtering": "here the wave vector, phi_filtering and the frames select the data",
    "preprocessing": "prepare the data beforehand, in a file of their own",
    "optimization.angle_filtering": "phi_filtering selects the angles",
}
"""Sections that change the data, and what to do instead."""


def mode(writer: Writer) -> None:
    """Mode and convention."""
    given = writer.get("analysis_mode")
    if given is None:
        writer.refuse("analysis_mode", "this key is required: static or laminar_flow")
        return
    meant = given.lower() if isinstance(given, str) else given
    try:
        ours = check_mode("static" if meant == "static_anisotropic" else meant)
    except InvalidConfigurationError as error:
        writer.refuse("analysis_mode", str(error).removeprefix("mode: "))
        return
    writer.put("analysis_mode", "model.mode", ours)
    note = "sinc^4 with 1/(2 pi), as there: shear rates keep their meaning; physical is sinc^2 with 1/2"
    writer.put("analysis_mode", "model.convention", "homodyne", "" if ours == "static" else note)


def data(writer: Writer) -> None:
    """The file, and what of it."""
    section = "experimental_data"
    folder, name = (writer.get(f"{section}.{key}") for key in ("data_folder_path", "data_file_name"))
    here = "a path is relative to the configuration here, and to the working folder there"
    if isinstance(folder, str) and isinstance(name, str):
        path = f"{folder.rstrip('/')}/{name}" if folder else name
        writer.put(f"{section}.data_file_name", "data.file", path, here)
        writer.also(f"{section}.data_folder_path", "data.file")
    else:
        writer.copy(f"{section}.file_path", "data.file", here)
    for theirs, ours in (("dt", "dt"), ("scattering.wavevector_q", "q"), ("geometry.stator_rotor_gap", "gap")):
        writer.copy(f"analyzer_parameters.{theirs}", f"data.{ours}")
    writer.copy("q_tolerance_fraction", "data.q_tolerance", "the mean of the wave vectors within it is used")
    if writer.get("analyzer_parameters.frame_step") not in (None, 1):
        writer.refuse("analyzer_parameters.frame_step", "expected 1: frames are taken one after the other")
    if writer.get("analyzer_parameters.time_unit") not in (None, "s", "second", "seconds"):
        writer.refuse("analyzer_parameters.time_unit", "expected seconds: dt is in s, there too")
    for layer, instead in _LAYERS.items():
        if writer.flag(f"{layer}.enabled"):
            writer.refuse(f"{layer}.enabled", f"expected false: it would change what is fitted; {instead}")
    _frames(writer)
    _angles(writer)
    folders = [f"{section}.{key}" for key in ("cache_file_path", "cache_directory")]
    if writer.flag(f"{section}.use_caching") is not False:
        given = next((key for key in folders if writer.get(key) is not None), folders[0])
        writer.copy(given, "data.cache", "what was kept of other data, frames or angles is never used")


def _frames(writer: Writer) -> None:
    keys = {end: f"analyzer_parameters.{end}_frame" for end in ("start", "end")}
    first, last = (writer.get(key) for key in keys.values())
    if first is None and last is None:
        return
    note = ""
    if first not in (None, 1):
        note = "time is counted from frame 1 of the file here, and from the first frame that is read there"
    given = [key for key in keys.values() if writer.get(key) is not None]
    frames = [1 if first is None else first, None if last == -1 else last]
    writer.put(given[-1], "data.frames", frames, note)
    for key in given[:-1]:
        writer.also(key, "data.frames")


def _angles(writer: Writer) -> None:
    key = "phi_filtering.target_ranges"
    if not writer.flag("phi_filtering.enabled"):  # which is off there if it is not named
        return
    ranges = []
    for position, item in enumerate(writer.list(key)):
        try:
            ranges.append([float(item["min_angle"]), float(item["max_angle"])])
        except (KeyError, TypeError, ValueError):
            writer.refuse(key, f"expected min_angle and max_angle in degrees, got {shorten(item)}", position)
    if ranges:
        writer.put(key, "data.angles", ranges)
        writer.also("phi_filtering.enabled", "data.angles")


def scaling(writer: Writer) -> None:
    """How contrast and offset depend on the angle."""
    key = f"{_ANGLES}.per_angle_mode"
    kind, order = writer.get(key), writer.get(f"{_ANGLES}.fourier_order")
    exact = (
        "a contrast and an offset for every angle are solved exactly and cost nothing; averages, as auto has them, "
        "bias the flow where angles differ"
    )
    known: dict[str, tuple[object, str]] = {
        "auto": ("individual", exact),
        "individual": ("individual", ""),
        "constant": ("constant", "fixed at what quantiles of the data say, which is rough; individual is exact"),
        "fourier": ({"fourier": 2 if order is None else order}, ""),
        "auto_averaged": ("averaged", "biased where angles differ; individual is exact"),
    }
    fixed = writer.get("initial_parameters.fixed_parameters")
    if isinstance(fixed, dict) and set(SCALING_NAMES) <= set(fixed):
        return  # which say it
    if writer.flag(f"{_ANGLES}.enable") is False:
        return  # then they have one for every angle too
    if kind is None:
        writer.put(key, "model.scaling", "individual", f"not in the file, and auto there: {exact}")
        return
    if not isinstance(kind, str) or kind not in known:
        writer.refuse(key, f"{shorten(kind)} is unknown{suggestion(str(kind), known)}")
        return
    writer.put(key, "model.scaling", *known[kind])
    if kind == "fourier" and order is not None:
        writer.also(f"{_ANGLES}.fourier_order", "model.scaling")


def search(writer: Writer) -> None:
    """Loss, iterations, and how the best fit is looked for."""
    loss = writer.get(f"{_NLSQ}.loss")
    robust = "residuals are in units of sigma, estimated from the data where it is not given; a profile needs linear"
    if loss is None:
        writer.put(f"{_NLSQ}.loss", "fit.loss", "soft_l1", f"not in the file, and soft_l1 there: {robust}")
    writer.copy(f"{_NLSQ}.loss", "fit.loss", "" if loss == "linear" else robust)
    writer.copy(f"{_NLSQ}.max_iterations", "fit.max_iterations", "steps of the last ascent, on all data")
    writer.copy(f"{_NLSQ}.multi_start.seed", "seed")
    several, evolution = (writer.flag(f"{_NLSQ}.{name}.enable") for name in ("multi_start", "cmaes"))
    if evolution:
        by_width = writer.flag(f"{_NLSQ}.cmaes.auto_select") is not False
        note = "the evolution strategy where widths of boxes differ by more than 1000, else the multi-start"
        writer.put(f"{_NLSQ}.cmaes.enable", "fit.method", "auto" if by_width else "cma_es", note if by_width else "")
        if by_width and writer.get(f"{_NLSQ}.cmaes.auto_select") is not None:
            writer.also(f"{_NLSQ}.cmaes.auto_select", "fit.method")
        writer.copy(f"{_NLSQ}.cmaes.max_restarts", "fit.n_restarts")
    elif several is not None:
        note = "" if several else "the search is always on: it takes about a second, and needs no start"
        writer.put(f"{_NLSQ}.multi_start.enable", "fit.method", "multi_start", note)
    if several:
        writer.copy(f"{_NLSQ}.multi_start.sampling_strategy", "fit.design")
        _at_least(writer, f"{_NLSQ}.multi_start.n_starts", "n_starts")
        _at_least(writer, f"{_NLSQ}.multi_start.refine_top_k", "n_refined")
    _regularisation(writer)


def _regularisation(writer: Writer) -> None:
    section = f"{_ANGLES}.regularization"
    if not writer.flag(f"{section}.enable"):
        return
    kind = writer.get(f"{section}.mode")
    if kind not in (None, "relative", "auto"):
        writer.refuse(f"{section}.mode", f"expected relative, with the width target_cv, got {shorten(kind)}")
    width = writer.get(f"{section}.target_cv")
    width = 0.1 if width is None else width
    note = "contrasts and offsets spread about their mean by this fraction: a prior, which the errors include"
    shrunk = {"contrast": width, "offset": width, "relative": True}
    writer.put(f"{section}.enable", "fit.regularisation", shrunk, note)
    writer.also(f"{section}.target_cv", "fit.regularisation")


def _at_least(writer: Writer, key: str, name: str) -> None:
    """Take over a number of points of the search, unless it is less than the default, which is quick."""
    usual, given = getattr(_DEFAULTS, name), writer.get(key)
    if isinstance(given, int) and given < usual:
        writer.put(key, f"fit.{name}", usual, f"{given} there; the search is on a coarse subset, so more cost little")
    else:
        writer.copy(key, f"fit.{name}")


def machine(writer: Writer) -> None:
    """Memory and threads."""
    for key in ("performance.memory_limit_gb", f"{_NLSQ}.memory_threshold_gb"):
        size: Any = writer.get(key)
        if isinstance(size, (int, float)) and not isinstance(size, bool):
            writer.put(key, "fit.memory_limit", f"{size:.12g}GB")
            break
        if size is not None:
            writer.refuse(key, f"expected a number of GB, got {shorten(size)}")
    else:
        writer.copy(f"{_NLSQ}.memory_fraction", "fit.memory_limit", "of what is free")
    if isinstance(writer.get("performance.computation.cpu_threads"), int):
        writer.copy("performance.computation.cpu_threads", "fit.n_threads")


def output(writer: Writer) -> None:
    """What to write."""
    folder = "output.directory" if writer.get("output.directory") is not None else "output.base_directory"
    writer.copy(folder, "output.folder", "relative to the configuration")
    given = writer.get("output.formats")
    if isinstance(given, dict):
        names = [name for name in FORMATS if writer.flag(f"output.formats.{name}")]
        keys = [f"output.formats.{name}" for name in names]
    else:
        names = [name for name in FORMATS if name in writer.list("output.formats")]
        keys = ["output.formats"]
    if names:
        writer.put(keys[0], "output.formats", names)
        for key in keys[1:]:
            writer.also(key, "output.formats")
    writer.copy("plotting.save_plots", "output.pictures")
