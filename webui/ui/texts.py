"""Every string of the page, by key: one catalogue for Gradio's components (gr.I18n) and for our scripts."""

from __future__ import annotations

from gradio.i18n import I18n, I18nData

from webui.core.fields import ROWS

# A1111's words where it has them, letter by letter; ours elsewhere. {name} is filled in by the scripts.
EN = {
    # head
    "checkpoint": "Checkpoint",
    "worker_starting": "Starting",
    "worker_ready": "Ready",
    "worker_restarting": "Restarting",
    "worker_failed": "Stopped",
    "worker_unknown": "Connecting",
    "devices": "{ready} of {all} devices",
    "memory_free": "{free} of {total} GiB free",
    "offline": "No connection, trying again",
    "offline_since": "since {time}",
    "paused": "Queue paused",
    "to_dark": "Switch to the dark theme",
    "to_light": "Switch to the light theme",
    "keys": "Keys",
    "close": "Close",
    "refresh_checkpoints": "Look for new checkpoints",
    "one_checkpoint": "1 checkpoint found",
    "many_checkpoints": "{n} checkpoints found",
    # making a picture
    "prompt_placeholder": "What do you want to see?",
    "neg_prompt_placeholder": "What should stay out of it?",
    "tokens_title": "Tokens in the prompt, and the room in the blocks of 75 they fill",
    "generate": "Generate",
    "queue_another": "Queue another",
    "interrupt": "Interrupt",
    "stop_now": "Stop now",
    "leave_queue": "Leave the queue",
    "skip": "Skip",
    "paste": "Paste",
    "paste_title": "Read the settings out of the text in the prompt, or of the last picture when the prompt is empty",
    "clear": "Clear",
    "clear_title": "Empty both prompts",
    "forever": "Generate forever",
    "forever_title": "Start the next picture as soon as one is finished, until this is switched off",
    "swap": "Swap width and height",
    "sizes": "Sizes of this model",
    "seed_random": "Random",
    "seed_random_title": "Set the seed to -1: a new one for every picture",
    "seed_reuse": "Last used",
    "seed_reuse_title": "Take the seed of the picture that is shown",
    # results
    "results": "Results",
    "empty_title": "Nothing developed yet",
    "empty_text": "Describe a picture above and press Generate. It appears here while it is being made.",
    "examples": "Prompts to try",
    "about_models": "Checkpoints of your own go into {folder}.",
    "no_model_title": "No checkpoint found",
    "paused_said": "The queue is paused",
    "position_next": "Next in line",
    "position": "{place} in line",
    "about_left": "about {time}",
    "left": "{time} left",
    "step": "Step {step} of {steps}",
    "picture_of": "Picture {from} of {all}",
    "pictures_of": "Pictures {from} to {to} of {all}",
    "one_beside": "together with 1 other job",
    "many_beside": "together with {n} other jobs",
    "finishing": "Finishing",
    "stopping": "Stops after this picture",
    "stopping_batch": "Stops after these {n} pictures",
    "again_after": "Runs again: {reason}",
    "stopped_at": "Stopped at step {step}",
    "stopped": "Stopped before the first picture",
    "cancelled": "Left the queue",
    "one_ready": "1 picture is ready",
    "many_ready": "{n} pictures are ready",
    "percent_done": "{n} % done",
    "without": "Without: {text}",
    "show_report": "Show the report",
    "try_again": "Try again",
    "picture_alt": "{prompt}, seed {seed}",
    "preview_alt": "Preview of the picture that is being made",
    "download": "Download",
    "again": "Run again",
    "again_title": "Make the same pictures once more, with the same seed",
    "copy": "Copy the settings",
    "copied": "Copied",
    "copy_by_hand": "This browser lets the page copy nothing. The text is selected: press Ctrl+C, or ⌘C on a Mac.",
    "use": "Use these settings",
    "open": "Open the picture",
    "previous": "Previous picture",
    "next": "Next picture",
    "info_time": "Time",
    # gallery
    "gallery_search": "Search prompts, seeds, models",
    "gallery_empty_title": "No pictures yet",
    "gallery_empty": "What you make on the txt2img tab is kept here.",
    "gallery_none": "No picture has these words in its settings.",
    "gallery_more": "Show more",
    "to_txt2img": "→ txt2img",
    "delete": "Delete",
    "deleted": "{name} is in the bin",
    "undo": "Undo",
    # queue
    "queue_empty_title": "The line is empty",
    "queue_empty": "Pictures that are being made or wait for their turn are listed here.",
    "queue_running": "{n} running",
    "queue_waiting": "{n} waiting",
    "queue_idle": "Nothing is running",
    "pause": "Pause",
    "resume": "Resume",
    "clear_waiting": "Clear waiting",
    "clear_sure": "Cancel {n} waiting?",
    "cancel": "Cancel",
    "cancelled_said": "Cancelled: {what}",
    "cleared_one": "1 waiting job was cancelled",
    "cleared_many": "{n} waiting jobs were cancelled",
    "moved": "First in line now: {what}",
    "queued_again": "In line once more",
    "queue_paused": "The queue is paused: what waits is not started until you press Resume",
    "queue_paused_guest": "The queue is paused: what waits is started when the owner resumes it",
    "resumed": "The queue goes on",
    "to_front": "Move to front",
    "run_again": "Run again",
    "place_next": "Next",
    "done_in": "Done in {time}",
    "done_stopped": "Stopped early, {n} kept",
    "you": "you",
    "visitor": "visitor {id}",
    "one_picture": "1 picture",
    "many_pictures": "{n} pictures",
    "steps_n": "{n} steps",
    "no_prompt": "no prompt",
    "starting": "Starting",
    # settings
    "settings_search": "Search settings",
    "settings_nav": "Sections",
    "settings_apply": "Apply settings",
    "settings_saved": "Settings are saved",
    "settings_same": "Nothing was changed",
    "settings_none": "No setting has these words.",
    "settings_restart": "From the next start on",
    "settings_no_extensions": "No extensions were found.",
    "settings_left_out": "{title} is left out. {problem}",
    # values that cannot be taken
    "wrong_range": "Must be {low} to {high}, not {value}",
    "wrong_multiple": "Must be a multiple of {multiple}, not {value}",
    "wrong_whole": "Must be a whole number, not {value}",
    "nothing": "empty",
    "use_value": "Use {value}",
    # problems of the page itself
    "no_server": "The server does not answer",
    "bad_answer": "The server's answer ({status}) could not be read. Try again.",
    "no_server_text": "Your settings are kept. The page tries again by itself.",
    "paste_nothing": "There are no settings to paste: the prompt is empty and no picture has been made yet.",
    "paste_none": "No settings were found in the prompt",
    "paste_model": "{name} is not here, so the checkpoint stays",
    "paste_unknown": "Left out, unknown here: {names}",
    "esc_sure": "Press Esc once more to interrupt",
    # keys
    "key_generate": "Generate",
    "key_skip": "Skip",
    "key_interrupt": "Interrupt",
    "key_weight": "Weigh the selected words more or less by 0.1",
    "key_tab": "Go to tab 1 to 9",
    "key_search": "Search on this tab",
    "key_help": "Show this list",
}

EN |= {f"field_{row.name}": row.label for row in ROWS}
EN |= {f"help_{row.name}": row.help for row in ROWS}

CATALOGUE = {"en": EN}


def catalogue() -> I18n:
    """The catalogue as Gradio takes it."""
    return I18n(**CATALOGUE)


def t(key: str) -> I18nData:
    """A string of the catalogue, translated by the browser's language; the key is checked here."""
    if key not in EN:
        raise KeyError(f"The catalogue of texts has no '{key}'.")
    return I18nData(key)
