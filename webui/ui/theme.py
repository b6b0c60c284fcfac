"""The Gradio theme: every colour it uses points at a token, so the scheme changes in one place."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils.fonts import LocalFont

from webui.ui.tokens import MONO, SANS, var

# Gradio's names on the left, our tokens on the right; each is set for both of Gradio's schemes.
_COLOURS = {
    "body_background_fill": "bg",
    "body_text_color": "text",
    "body_text_color_subdued": "muted",
    "background_fill_primary": "bg",
    "background_fill_secondary": "surface",
    "border_color_primary": "line",
    "border_color_accent": "accent",
    "border_color_accent_subdued": "edge",
    "color_accent_soft": "hover",
    "link_text_color": "accent",
    "link_text_color_hover": "accent",
    "link_text_color_active": "accent",
    "link_text_color_visited": "accent",
    "block_background_fill": "bg",
    "block_label_background_fill": "bg",
    "block_label_text_color": "muted",
    "block_title_text_color": "muted",
    "block_info_text_color": "muted",
    "panel_background_fill": "bg",
    "input_background_fill": "raised",
    "input_background_fill_focus": "raised",
    "input_background_fill_hover": "raised",
    "input_border_color": "raised",
    "input_border_color_focus": "raised",
    "input_border_color_hover": "raised",
    "input_placeholder_color": "muted",
    "slider_color": "fill",
    "checkbox_background_color": "raised",
    "checkbox_background_color_focus": "raised",
    "checkbox_background_color_hover": "hover",
    "checkbox_background_color_selected": "fill",
    "checkbox_border_color": "edge",
    "checkbox_border_color_focus": "accent",
    "checkbox_border_color_hover": "edge",
    "checkbox_border_color_selected": "fill",
    "checkbox_label_background_fill": "bg",
    "checkbox_label_background_fill_hover": "bg",
    "checkbox_label_background_fill_selected": "bg",
    "checkbox_label_text_color": "text",
    "checkbox_label_text_color_selected": "text",
    "error_background_fill": "surface",
    "error_border_color": "err",
    "error_text_color": "err",
    "error_icon_color": "err",
    "button_primary_background_fill": "fill",
    "button_primary_background_fill_hover": "fill-hover",
    "button_primary_border_color": "fill",
    "button_primary_border_color_hover": "fill-hover",
    "button_primary_text_color": "on",
    "button_primary_text_color_hover": "on",
    "button_secondary_background_fill": "hover",
    "button_secondary_background_fill_hover": "line",
    "button_secondary_border_color": "hover",
    "button_secondary_border_color_hover": "line",
    "button_secondary_text_color": "text",
    "button_secondary_text_color_hover": "text",
    "accordion_text_color": "text",
    "table_text_color": "text",
}

_PLAIN = {
    "color_accent": var("accent"),
    "body_text_size": "14px",
    "body_text_weight": "400",
    "block_border_width": "0px",
    "block_padding": "0px",
    "block_radius": "0px",
    "block_label_text_size": "12.5px",
    "block_label_text_weight": "400",
    "block_title_text_size": "12.5px",
    "block_title_text_weight": "400",
    "block_title_padding": "0px",
    "block_info_text_size": "12.5px",
    "container_radius": "8px",
    "form_gap_width": "0px",
    "layout_gap": "12px",
    "input_border_width": "0px",
    "input_padding": "7px 12px",
    "input_radius": var("r-field"),
    "input_text_size": "14px",
    "checkbox_border_radius": "4px",
    "checkbox_label_padding": "0px",
    "checkbox_label_text_size": "14px",
    "button_border_width": "0px",
    "button_large_radius": var("r-panel"),
    "button_large_text_size": "15px",
    "button_large_text_weight": "700",
    "button_large_padding": "0 16px",
    "button_medium_radius": var("r-field"),
    "button_medium_text_size": "14px",
    "button_medium_text_weight": "400",
    "button_small_radius": var("r-field"),
    "button_small_text_size": "13px",
    "button_small_text_weight": "400",
    "button_small_padding": "0 12px",
}

# A field's lower edge, and the same edge lit in focus.
_EDGES = {
    "input_shadow": f"inset 0 -1px {var('edge')}",
    "input_shadow_focus": f"inset 0 -2px {var('accent')}",
}

_NO_SHADOW = (
    "block_shadow",
    "block_label_shadow",
    "checkbox_shadow",
    "checkbox_label_shadow",
    "button_primary_shadow",
    "button_primary_shadow_hover",
    "button_primary_shadow_active",
    "button_secondary_shadow",
    "button_secondary_shadow_hover",
    "button_secondary_shadow_active",
)


def build_theme() -> gr.themes.Base:
    """The theme, with both of Gradio's schemes set to the same token expressions."""
    colours = {name: var(token) for name, token in _COLOURS.items()}
    shadows = {**dict.fromkeys(_NO_SHADOW, "none"), **_EDGES}
    base = gr.themes.Base(
        font=[LocalFont(SANS, weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[LocalFont(MONO, weights=(400,)), "ui-monospace", "monospace"],
    )
    twins = {f"{name}_dark": value for name, value in {**colours, **_EDGES}.items()}
    theme = base.set(**colours, **twins, **shadows, **_PLAIN)
    theme.name = "darkroom"
    return theme
