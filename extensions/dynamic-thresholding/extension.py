"""Dynamic thresholding: what a person sets, under the names that the well-known extension writes into pictures."""

from __future__ import annotations

from webui.extend import Field, Guidance, hookimpl

from .curves import CURVES

_CURVE = "Constant, or how it changes over the steps, down to or up from its minimum."


def _scale(name: str, label: str, help_: str, default: float, key: str) -> Field:
    return Field(
        name, "float", label, help_, default, minimum=0.0, maximum=100.0, step=0.5, slider=(0, 30), infotext=key
    )


@hookimpl
def fields() -> list[Field]:
    """Off until it is enabled."""
    return [
        Field("enabled", "bool", "Enable",
              "Keep contrast as the mimicked scale has it. It guides from the predictions themselves, so CFG tools, "
              "which act before it, are without effect.", False,
              infotext="Dynamic thresholding enabled"),
        _scale("mimic_scale", "Mimic scale", "The CFG scale whose contrast is kept.", 7.0, "Mimic scale"),
        Field("threshold_percentile", "float", "Threshold percentile",
              "How much of the values counts as the contrast; 1 is the largest value.", 1.0,
              minimum=0.9, maximum=1.0, step=0.005, infotext="Threshold percentile"),
        Field("mimic_mode", "choice", "Mimic scale curve", _CURVE, "Constant", choices=CURVES, infotext="Mimic mode"),
        _scale("mimic_scale_min", "Mimic scale minimum", "Its curve's low end.", 0.0, "Mimic scale minimum"),
        Field("cfg_mode", "choice", "CFG scale curve", _CURVE, "Constant", choices=CURVES, infotext="CFG mode"),
        _scale("cfg_scale_min", "CFG scale minimum", "Its curve's low end.", 0.0, "CFG scale minimum"),
        Field("sched_val", "float", "Curve value", "The power of Power curves, how often repeating ones repeat.", 4.0,
              minimum=0.0, maximum=40.0, step=0.5, infotext="Scheduler value"),
        Field("separate_feature_channels", "bool", "Separate feature channels", "Each channel by its own contrast.",
              True, infotext="Separate Feature Channels"),
        Field("scaling_startpoint", "choice", "Scaling startpoint",
              "MEAN: contrast is what lies round the mean. ZERO: the whole values are scaled.", "MEAN",
              choices=("MEAN", "ZERO"), infotext="Scaling Startpoint"),
        Field("variability_measure", "choice", "Variability measure",
              "AD: the largest distance, cut at the percentile. STD: the standard deviation.", "AD",
              choices=("AD", "STD"), infotext="Variability Measure"),
        Field("interpolate_phi", "float", "Interpolate phi", "How much of it counts; 0 is plain CFG.", 1.0,
              minimum=0.0, maximum=1.0, step=0.01, infotext="Interpolate Phi"),
    ]  # fmt: skip


@hookimpl
def guidance() -> list[Guidance]:
    """The function thresholded() of worker.py."""
    return [Guidance("dynamic-thresholding", "worker:thresholded", when="enabled")]
