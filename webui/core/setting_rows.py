"""The settings: one model with a row for each, that the page draws itself from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from webui.core.field import Field as RequestField
from webui.core.language_fields import LANGUAGE_OPTIONS, EmphasisMode
from webui.core.noise_fields import MAX_SEED
from webui.core.noise_sources import CHOICES as SOURCES
from webui.core.noise_sources import Source
from webui.core.precisions import CHOICES, Precision
from webui.core.prompt.emphasis import MODES
from webui.core.sampler_fields import OPTIONS, SkipType, Variant, setting_of
from webui.core.speed_fields import SPEED_OPTIONS

MODELS = "Models"
SAVING = "Saving pictures"
PREVIEWS = "Live previews"
RUNNING = "Making pictures"
SAMPLING = "Sampler parameters"
PROMPTS = "Prompts"
SPEED = "Optimizations"
GUESTS = "Guests"
PAGE = "Page"
EXTENSIONS = "Extensions"
WHITESPACE = ("Tab", "Carriage Return", "Line Feed")
"""A1111's names of what may end a word besides the characters that can be typed."""
SECTIONS = (MODELS, SAVING, PREVIEWS, RUNNING, SAMPLING, PROMPTS, SPEED, GUESTS, PAGE, EXTENSIONS)
OF_PANELS = "panels"
"""Said by the setting that has no control of its own: the page's scripts draw one for each field of an extension."""

_PRECISIONS = dict(zip(CHOICES, ("Automatic", "32 bits", "16 bits (fp16)", "16 bits (bf16)", "8 bits"), strict=True))

_VARIANTS = {"bh1": "B1(h)", "bh2": "B2(h)", "vary_coeff": "Varying"}
_SKIP_TYPES = {"time_uniform": "Time", "time_quadratic": "Root of time", "logSNR": "Log SNR"}


def _row(
    section: str,
    catalogue: str | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    inverted: bool = False,
    restart: bool = False,
) -> dict[str, Any]:
    """What the page needs besides title, help and limits: a section, the catalogue that the values are names of or
    the labels of the values themselves, whether the page ticks the names that are not in the list, and whether a
    change waits for the next start.
    """
    return {
        "section": section,
        **({"catalogue": catalogue} if catalogue else {}),
        **({"labels": dict(labels)} if labels else {}),
        **({"inverted": True} if inverted else {}),
        **({"restart": True} if restart else {}),
    }


def _option(name: str, title: str = "", labels: Mapping[str, str] | None = None) -> Any:
    """The setting that gives a sampler's option its default: the field's default, limits and words."""
    return _of_field(OPTIONS[name], SAMPLING, title, labels)


def _of_field(row: RequestField, section: str, title: str = "", labels: Mapping[str, str] | None = None) -> Any:
    """The setting that gives a field of a request its default."""
    return Field(
        row.default,
        title=title or row.label,
        description=row.help,
        ge=row.minimum if row.kind != "choice" else None,
        le=row.maximum if row.kind != "choice" else None,
        json_schema_extra=_row(section, labels=labels),
    )


class Settings(BaseModel):
    """All settings with their defaults. Names are A1111's option names where it has one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sd_model_checkpoint: str = Field(
        "",
        title="Checkpoint",
        description="The model that new pictures are made with; empty takes the first one found.",
        max_length=500,
        json_schema_extra=_row(MODELS, "checkpoints"),
    )
    sd_vae: str = Field(
        "Automatic",
        title="VAE",
        description="The VAE of new pictures: a file's name, Automatic, or None for the one inside the checkpoint. "
        "A checkpoint that it does not fit takes its own.",
        max_length=500,
        json_schema_extra=_row(MODELS, "vaes"),
    )
    sd_text_encoders: str = Field(
        "",
        title="Text encoders",
        description="Files with text encoders for new pictures, with commas between them; empty takes what fits.",
        max_length=2000,
        json_schema_extra=_row(MODELS),
    )
    attention: str = Field(
        "sdpa",
        title="Attention",
        description="How attention is computed where a request names nothing else: SDP, xFormers and the others. A1111 "
        "has it as cross attention optimization.",
        max_length=100,
        json_schema_extra=_row(RUNNING, "attention"),
    )
    denoiser_precision: Precision = Field(
        "Automatic",
        title="Denoiser precision",
        description="What the denoiser's weights are kept in where a request says nothing else.",
        json_schema_extra=_row(RUNNING, labels=_PRECISIONS),
    )
    text_encoder_precision: Precision = Field(
        "Automatic",
        title="Text encoder precision",
        description="The same for the text encoders.",
        json_schema_extra=_row(RUNNING, labels=_PRECISIONS),
    )
    vae_precision: Precision = Field(
        "Automatic",
        title="VAE precision",
        description="The same for the VAE.",
        json_schema_extra=_row(RUNNING, labels=_PRECISIONS),
    )
    randn_source: Source = Field(
        "CPU",
        title="Random number source",
        description="Where noise is drawn. CPU: one picture on every device. NV: what CUDA cards draw, also without "
        "one, as most pictures of A1111 were made. GPU: the device's own.",
        json_schema_extra=_row(RUNNING, labels={source: source for source in SOURCES}),
    )
    hide_samplers: tuple[str, ...] = Field(
        (),
        title="Hide samplers in user interface",
        description="The page's list is without those that are ticked; requests and read texts may name them still.",
        max_length=1000,
        json_schema_extra=_row(SAMPLING, "samplers"),
    )
    eta_ancestral: float = _option("eta", "Eta for k-diffusion samplers")
    eta_ddim: float = _option("eta_ddim")
    s_churn: float = _option("s_churn")
    s_tmin: float = _option("s_tmin")
    s_tmax: float = _option("s_tmax")
    s_noise: float = _option("s_noise")
    sigma_min: float = _option("sigma_min")
    sigma_max: float = _option("sigma_max")
    rho: float = _option("rho")
    eta_noise_seed_delta: int = Field(
        0,
        title="Eta noise seed delta",
        description="Added to the seed for the noise of the steps of ancestral samplers (ENSD).",
        ge=0,
        le=MAX_SEED,
        json_schema_extra=_row(SAMPLING),
    )
    always_discard_next_to_last_sigma: bool = _option(
        "always_discard_next_to_last_sigma", "Always discard next-to-last sigma"
    )
    sgm_noise_multiplier: bool = _option("sgm_noise_multiplier")
    uni_pc_variant: Variant = _option("uni_pc_variant", labels=_VARIANTS)
    uni_pc_skip_type: SkipType = _option("uni_pc_skip_type", labels=_SKIP_TYPES)
    uni_pc_order: int = _option("uni_pc_order")
    uni_pc_lower_order_final: bool = _option("uni_pc_lower_order_final")
    beta_dist_alpha: float = _option("beta_dist_alpha", "Beta scheduler - alpha")
    beta_dist_beta: float = _option("beta_dist_beta", "Beta scheduler - beta")
    emphasis: EmphasisMode = _of_field(LANGUAGE_OPTIONS["emphasis"], PROMPTS, labels={mode: mode for mode in MODES})
    comma_padding_backtrack: int = _of_field(LANGUAGE_OPTIONS["comma_padding_backtrack"], PROMPTS)
    use_old_scheduling: bool = _of_field(LANGUAGE_OPTIONS["use_old_scheduling"], PROMPTS)
    enable_prompt_comments: bool = _of_field(LANGUAGE_OPTIONS["enable_prompt_comments"], PROMPTS)
    keyedit_precision_attention: float = Field(
        0.1,
        title="Weight a key changes",
        description="By how much Ctrl+Up and Ctrl+Down change (word:1.1) in a prompt.",
        ge=0.001,
        le=10,
        json_schema_extra=_row(PROMPTS),
    )
    keyedit_precision_extra: float = Field(
        0.05,
        title="Weight of an extra network a key changes",
        description="The same for <lora:name:1>.",
        ge=0.001,
        le=10,
        json_schema_extra=_row(PROMPTS),
    )
    keyedit_delimiters: str = Field(
        r".,\/!?%^*;:{}=`~() ",
        title="Word delimiters of the keys",
        description="Where no word is selected, Ctrl+Up and Ctrl+Down take the one between two of these characters.",
        max_length=100,
        json_schema_extra=_row(PROMPTS),
    )
    keyedit_delimiters_whitespace: tuple[str, ...] = Field(
        WHITESPACE,
        title="Whitespace delimiters of the keys",
        description="Further ones, which cannot be typed above.",
        max_length=len(WHITESPACE),
        json_schema_extra=_row(PROMPTS, "whitespace"),
    )
    keyedit_move: bool = Field(
        True,
        title="Alt+Left and Alt+Right move elements",
        description="What stands between two commas of a prompt changes its place with its neighbour.",
        json_schema_extra=_row(PROMPTS),
    )
    s_min_uncond: float = _of_field(SPEED_OPTIONS["s_min_uncond"], SPEED)
    s_min_uncond_all: bool = _of_field(SPEED_OPTIONS["s_min_uncond_all"], SPEED)
    skip_early_cond: float = _of_field(SPEED_OPTIONS["skip_early_cond"], SPEED)
    cfg_end: float = _of_field(SPEED_OPTIONS["cfg_end"], SPEED)
    token_merging_ratio: float = _of_field(SPEED_OPTIONS["token_merging_ratio"], SPEED)
    hypertile_enable_unet: bool = _of_field(SPEED_OPTIONS["hypertile_enable_unet"], SPEED)
    hypertile_max_depth_unet: int = _of_field(SPEED_OPTIONS["hypertile_max_depth_unet"], SPEED)
    hypertile_max_tile_unet: int = _of_field(SPEED_OPTIONS["hypertile_max_tile_unet"], SPEED)
    hypertile_swap_size_unet: int = _of_field(SPEED_OPTIONS["hypertile_swap_size_unet"], SPEED)
    channels_last: bool = Field(
        False,
        title="Channels last (--opt-channelslast)",
        description="Lay the weights of convolutions out in memory with the channels side by side, which many cards "
        "are quicker with in half precision (on a CPU up to 6 % of a step); some are slower with it in "
        "fp32. Pictures differ by rounding alone (torch.channels_last).",
        json_schema_extra=_row(SPEED, restart=True),
    )
    fuse_qkv_projections: bool = Field(
        False,
        title="Fused projections",
        description="UNets compute queries, keys and values of attention in one product in place of three: a little "
        "faster where launching kernels takes time. What changes one of the three by itself cannot any more. Pictures "
        "differ by rounding alone (diffusers' fuse_qkv_projections).",
        json_schema_extra=_row(SPEED, restart=True),
    )
    compile_repeated_blocks: bool = Field(
        False,
        title="Compile repeated blocks",
        description="Have torch compile the denoisers' blocks in the background. The first pictures of a size are made "
        "as ever while a compiler works, which takes a minute or more of a processor and some memory; needs a C++ "
        "compiler, and Triton with a card. Pictures differ by rounding alone (diffusers' compile_repeated_blocks).",
        json_schema_extra=_row(SPEED, restart=True),
    )
    unload_after_minutes: float = Field(
        0.0,
        title="Unload models after so many idle minutes",
        description="Gives the memory back while nobody makes pictures; the next job loads its model again. 0 never.",
        ge=0,
        le=10_080,
        json_schema_extra=_row(MODELS),
    )
    model_memory_gb: float = Field(
        0.0,
        title="Memory for models (GB)",
        description="What models may keep of each device's memory; those unused for longest go first. 0 means half.",
        ge=0,
        le=10_000,
        json_schema_extra=_row(MODELS, restart=True),
    )
    model_ram_gb: float = Field(
        0.0,
        title="RAM for models that wait (GB)",
        description="The same for models that wait in RAM beside a card (--medvram, or where it has no room).",
        ge=0,
        le=10_000,
        json_schema_extra=_row(MODELS, restart=True),
    )
    interrupt_after_current: bool = Field(
        True,
        title="Interrupt finishes the current picture",
        description="Off: the first press of Interrupt already ends at this step and keeps the picture as it is.",
        json_schema_extra=_row(RUNNING),
    )
    png_compress_level: int = Field(
        1,
        title="PNG compression",
        description="From 0, which writes fastest, to 9, which makes the smallest files; the picture is the same.",
        ge=0,
        le=9,
        json_schema_extra=_row(SAVING, restart=True),
    )
    live_previews_enable: bool = Field(
        True,
        title="Show live previews",
        description="Show the picture while it is made; costs a little time for each preview.",
        json_schema_extra=_row(PREVIEWS),
    )
    show_progress_type: Literal["Full", "TAESD"] = Field(
        "TAESD",
        title="Live preview method",
        description="TAESD uses the small decoders in models/VAE-approx, and the model's VAE where there is none.",
        json_schema_extra=_row(PREVIEWS, labels={"Full": "Full", "TAESD": "TAESD"}, restart=True),
    )
    show_progress_every_n_steps: int = Field(
        1,
        title="Preview every so many steps",
        description="1 previews each step.",
        ge=1,
        le=150,
        json_schema_extra=_row(PREVIEWS, restart=True),
    )
    max_waiting_visitor: int = Field(
        4,
        title="Waiting jobs of a guest",
        description="How many jobs one guest of a shared page may have waiting.",
        ge=1,
        le=1000,
        json_schema_extra=_row(GUESTS),
    )
    max_pictures_visitor: int = Field(
        16,
        title="Pictures in a guest's job",
        description="How many pictures one job of a guest may make.",
        ge=1,
        le=1600,
        json_schema_extra=_row(GUESTS),
    )
    theme: Literal["system", "light", "dark"] = Field(
        "system",
        title="Theme",
        description="What the page begins with; the switch in its head is kept in each browser.",
        json_schema_extra=_row(PAGE, labels={"system": "System", "light": "Light", "dark": "Dark"}),
    )
    localization: str = Field(
        "None",
        title="Localization",
        description="The language of the page, of those that extensions bring words in; what one of them lacks is "
        "English. Where none is chosen, each reader's browser chooses.",
        pattern=r"^(None|[a-z]{2,3}(-[A-Za-z0-9]{2,8})*)$",
        max_length=60,
        json_schema_extra=_row(PAGE, "languages"),
    )
    quicksettings_list: tuple[str, ...] = Field(
        ("sd_model_checkpoint", "sd_vae"),
        title="Quicksettings",
        description="The settings that stand in the head of the page. The checkpoint always does.",
        max_length=100,
        json_schema_extra=_row(PAGE, "quicksettings", restart=True),
    )
    disabled_extensions: tuple[str, ...] = Field(
        (),
        title="Extensions",
        description="Each is loaded unless it is switched off.",
        max_length=1000,
        json_schema_extra=_row(EXTENSIONS, "extensions", inverted=True, restart=True),
    )
    extensions: Mapping[str, Mapping[str, bool | int | float | str]] = Field(
        {},
        title="Fields of extensions",
        description="Defaults of the fields that extensions add to requests, by extension and field.",
        json_schema_extra={**_row(EXTENSIONS), OF_PANELS: True},
    )
    extension_indexes: str = Field(
        "",
        title="Lists of extensions",
        description="Addresses or paths of lists (JSON) that the Extensions tab searches, with commas between them.",
        max_length=2000,
        json_schema_extra=_row(EXTENSIONS),
    )


def section_key(section: str) -> str:
    """The key of a section's name among the page's texts."""
    return "setting_section_" + "".join(c if c.isalnum() else "_" for c in section.casefold())


def field_defaults(settings: Settings) -> dict[str, Any]:
    """What the settings say of noise, prompts, the sampler's options and speed, by the names of a request's fields."""
    return {
        "randn_source": settings.randn_source,
        "eta_noise_seed_delta": settings.eta_noise_seed_delta,
        **{name: getattr(settings, setting_of(name)) for name in (*LANGUAGE_OPTIONS, *OPTIONS, *SPEED_OPTIONS)},
    }


def public_settings(settings: Settings) -> dict[str, Any]:
    """The few settings that everybody's page needs; those of samplers by the names of the fields they are for."""
    return {
        "sd_model_checkpoint": settings.sd_model_checkpoint,
        "sd_vae": settings.sd_vae,
        "sd_text_encoders": settings.sd_text_encoders,
        "live_previews_enable": settings.live_previews_enable,
        "hide_samplers": settings.hide_samplers,
        "keyedit_precision_attention": settings.keyedit_precision_attention,
        "keyedit_precision_extra": settings.keyedit_precision_extra,
        "keyedit_delimiters": settings.keyedit_delimiters,
        "keyedit_delimiters_whitespace": settings.keyedit_delimiters_whitespace,
        "keyedit_move": settings.keyedit_move,
        **field_defaults(settings),
    }
