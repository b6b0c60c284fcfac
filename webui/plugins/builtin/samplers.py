"""The built-in samplers and schedules, one row each, with A1111's names, aliases and defaults."""

from __future__ import annotations

from webui.core.registry import Sampler, Schedule
from webui.plugins.builtin.samplers_diffusers import diffusers_samplers
from webui.plugins.hooks import hookimpl

_HERE = "webui.engine.samplers."
_CHURN = ("s_churn", "s_tmin", "s_tmax", "s_noise")
_ETA = ("eta",)
_NOISY = ("eta", "s_noise")
"""A1111 hands s_noise to these; where it does not, the setting must not change a picture."""
_ETA_DDIM = ("eta_ddim",)
_ENDS = ("sigma_min", "sigma_max")
_LEVELS = "webui.engine.schedules"
_TIMESTEPS = _LEVELS + ":timesteps"
_UNIPC = ("uni_pc_variant", "uni_pc_skip_type", "uni_pc_order", "uni_pc_lower_order_final")

# The columns are A1111's: label, function, alias, schedule.
_SAMPLERS = (
    Sampler("DPM++ 2M", _HERE + "dpmpp:dpmpp_2m", ("k_dpmpp_2m",), "Karras"),
    Sampler("DPM++ SDE", _HERE + "dpmpp_sde:dpmpp_sde", ("k_dpmpp_sde",), "Karras", order=2, options=_NOISY),
    Sampler("DPM++ 2M SDE", _HERE + "dpmpp_sde:dpmpp_2m_sde", ("k_dpmpp_2m_sde",), "Exponential", options=_NOISY),
    Sampler(
        "DPM++ 2M SDE Heun",
        _HERE + "dpmpp_sde:dpmpp_2m_sde_heun",
        ("k_dpmpp_2m_sde_heun",),
        "Exponential",
        options=_NOISY,
    ),
    Sampler(
        "DPM++ 2S a",
        _HERE + "dpmpp:dpmpp_2s_ancestral",
        ("k_dpmpp_2s_a",),
        "Karras",
        order=2,
        options=_NOISY,
        uses_ensd=True,
    ),
    Sampler(
        "DPM++ 3M SDE",
        _HERE + "dpmpp_sde:dpmpp_3m_sde",
        ("k_dpmpp_3m_sde",),
        "Exponential",
        options=_NOISY,
        drops_next_to_last=True,
    ),
    Sampler(
        "Euler a", _HERE + "euler:euler_ancestral", ("k_euler_a", "k_euler_ancestral"), options=_ETA, uses_ensd=True
    ),
    Sampler("Euler", _HERE + "euler:euler", ("k_euler",), options=_CHURN),
    Sampler("LMS", _HERE + "multistep:lms", ("k_lms",)),
    Sampler("Heun", _HERE + "heun:heun", ("k_heun",), order=2, options=_CHURN),
    Sampler("DPM2", _HERE + "dpm2:dpm_2", ("k_dpm_2",), "Karras", order=2, options=_CHURN, drops_next_to_last=True),
    Sampler(
        "DPM2 a",
        _HERE + "dpm2:dpm_2_ancestral",
        ("k_dpm_2_a",),
        "Karras",
        order=2,
        options=_NOISY,
        drops_next_to_last=True,
        uses_ensd=True,
    ),
    Sampler(
        "DPM fast",
        _HERE + "dpm_solver:dpm_fast",
        ("k_dpm_fast",),
        options=_NOISY,
        levels=_LEVELS + ":dpm_fast_levels",
        ignores_schedule=True,
        uses_ensd=True,
    ),
    Sampler(
        "DPM adaptive",
        _HERE + "dpm_solver:dpm_adaptive",
        ("k_dpm_ad",),
        options=_ETA,
        levels=_LEVELS + ":dpm_adaptive_levels",
        ignores_schedule=True,
        uses_ensd=True,
    ),
    Sampler("Restart", _HERE + "restart:restart", ("restart",), "Karras", order=2),
    Sampler("HeunPP2", _HERE + "heun:heunpp2", ("heunpp2",)),
    Sampler("IPNDM", _HERE + "multistep:ipndm", ("ipndm",)),
    Sampler("IPNDM_V", _HERE + "multistep:ipndm_v", ("ipndm_v",)),
    Sampler("DEIS", _HERE + "multistep:deis", ("deis",)),
    Sampler(
        "DDIM", _HERE + "ddim:ddim", ("ddim",), "Uniform", options=_ETA_DDIM, uses_timesteps=True, levels=_TIMESTEPS
    ),
    Sampler(
        "DDIM CFG++",
        _HERE + "ddim:ddim_cfgpp",
        ("ddim_cfgpp",),
        "Uniform",
        options=_ETA_DDIM,
        uses_timesteps=True,
        levels=_TIMESTEPS,
    ),
    Sampler("PLMS", _HERE + "multistep:plms", ("plms",), "Uniform", uses_timesteps=True, levels=_TIMESTEPS),
    Sampler(
        "UniPC",
        _HERE + "unipc:unipc",
        ("unipc",),
        "Uniform",
        options=_UNIPC,
        uses_timesteps=True,
        levels=_LEVELS + ":unipc_levels",
    ),
    Sampler("LCM", _HERE + "consistency:lcm", ("k_lcm",), "SGM Uniform"),
    Sampler("DDPM", _HERE + "euler:ddpm", ("ddpm",), "Normal"),
)


@hookimpl
def samplers() -> list[Sampler]:
    """Sampling methods, in the order they are listed."""
    return [*_SAMPLERS, *diffusers_samplers()]


@hookimpl
def schedules() -> list[Schedule]:
    """Tables of noise levels, in A1111's order. Automatic is the sampler's own, and Uniform where that is Automatic."""
    return [
        Schedule("Automatic", _LEVELS + ":uniform"),
        Schedule("Uniform", _LEVELS + ":uniform"),
        Schedule("Karras", _LEVELS + ":karras", options=(*_ENDS, "rho"), endings=("_ka",)),
        Schedule("Exponential", _LEVELS + ":exponential", options=_ENDS, endings=("_exp",)),
        Schedule("Polyexponential", _LEVELS + ":polyexponential", options=(*_ENDS, "rho")),
        Schedule("SGM Uniform", _LEVELS + ":sgm_uniform", ("sgm_uniform", "SGMUniform"), _ENDS),
        Schedule("KL Optimal", _LEVELS + ":kl_optimal", ("kl_optimal",), _ENDS),
        Schedule("Align Your Steps", _LEVELS + "_published:align_your_steps", ("align_your_steps", "AYS"), flow=False),
        Schedule("Simple", _LEVELS + ":simple"),
        Schedule("Normal", _LEVELS + ":normal", options=_ENDS),
        Schedule("DDIM", _LEVELS + ":ddim"),
        Schedule("Beta", _LEVELS + "_beta:beta", options=(*_ENDS, "beta_dist_alpha", "beta_dist_beta")),
        Schedule("Turbo", _LEVELS + ":turbo"),
        Schedule(
            "AYS GITS", _LEVELS + "_published:ays_gits", ("align_your_steps_GITS", "Align Your Steps GITS"), flow=False
        ),
        Schedule(
            "AYS 11",
            _LEVELS + "_published:align_your_steps",
            ("align_your_steps_11", "Align Your Steps 11"),
            flow=False,
        ),
        Schedule("AYS 32", _LEVELS + "_published:ays_32", ("align_your_steps_32", "Align Your Steps 32"), flow=False),
    ]
