"""The words of styles and dynamic prompts on the page; A1111's where it has them."""

from __future__ import annotations

PROMPT_TEXTS = {
    "style_apply": "Apply",
    "style_apply_title": "Apply all selected styles to prompts, and clear the list",
    "style_edit": "Styles",
    "style_edit_title": "Edit styles",
    "styles_applied": "The styles stand in the prompts now",
    "styles_no_choice": "No style is selected",
    "styles_dialog": "Styles",
    "styles_new": "New style",
    "style_choose": "Style",
    "style_name": "Name",
    "style_prompt": "Prompt",
    "style_negative_prompt": "Negative prompt",
    "style_place": "{prompt} stands for the prompt; without it the style is put behind it.",
    "style_file": "File",
    "style_take": "Take the prompts of the form",
    "style_save": "Save",
    "style_delete": "Delete",
    "style_sure": "Delete it?",
    "style_saved": "Saved {name}",
    "style_deleted": "Deleted {name}",
    "dynamic": "Dynamic prompts",
    # tabs under the prompts
    "generation": "Generation",
    "extra_tabs": "The form, or cards",
    "model_not_for": "Not for this checkpoint",
    # keys in a prompt
    "key_weigh": "In a prompt: more or less weight for the word or the selection",
    "key_move": "In a prompt: move what stands between two commas",
    # what is read out of the prompts
    "seen_runs": "Runs as",
    "seen_networks": "Extra networks",
    "seen_negative": "{what}, negative prompt",
    "seen_chunks": "Chunks",
    "seen_tokens": "Tokens",
    "seen_left": "{n} at the end are not read",
    "seen_steps": "Steps",
    "seen_part": "AND",
    "seen_until": "{text} until {until}",
    "seen_found": "Found:",
    "seen_like": "Use {name}",
    "seen_example": "An example: each seed draws other words.",
    "seen_pictures": "{n} pictures, one of each combination",
}
