"""Each of A1111's flags works, or says in a sentence why not; and the page about them is the table's."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.core.command_line import OF_GENERATE, Parser, add_flags
from webui.core.errors import InvalidField
from webui.core.flags import BY_NAME, FLAGS, Flag, table_text, to_options
from webui.core.options import Options, option_names
from webui.core.paths import PROGRAM_DIR
from webui.core.settings import Settings, check_settings

# A1111's flags that are worth their old spelling.
KNOWN = """
--listen --port --share --gradio-auth --gradio-auth-path --api --nowebui --api-auth --cors-allow-origins --tls-keyfile
--tls-certfile --server-name --subpath --theme --autolaunch --data-dir --models-dir --ckpt --ckpt-dir --vae-dir
--text-encoder-dir --a1111-home --forge-home --forge-ref-a1111-home --comfy-home --invoke-home
--lora-dir --embeddings-dir --esrgan-models-path --controlnet-dir --styles-file --ui-settings-file --no-half
--no-half-vae --upcast-sampling --precision --medvram --medvram-sdxl --lowvram --xformers --opt-sdp-attention
--opt-sub-quad-attention --sub-quad-q-chunk-size --sub-quad-kv-chunk-size --sub-quad-chunk-threshold
--opt-sdp-no-mem-attention --force-enable-xformers --opt-split-attention --opt-split-attention-v1
--opt-split-attention-invokeai --disable-opt-split-attention --use-sage-attention --use-flash-attention
--use-pytorch-cross-attention --use-split-cross-attention --use-quad-cross-attention --attention-pytorch
--attention-split --attention-quad --opt-channelslast --use-cpu --device-id --skip-install --reinstall-torch
--disable-all-extensions --safe-mode --disable-safe-unpickle --enable-insecure-extension-access --freeze-settings
--no-hashing --skip-load-model-at-start --loglevel
""".split()  # noqa: SIM905 (as the list is written elsewhere)

NEEDS = {"--tls-keyfile": ["--tls-certfile", "cert"], "--tls-certfile": ["--tls-keyfile", "key"]}
REFUSED = "--disable-safe-unpickle"


def parse(*arguments: str) -> Options:
    parser = Parser(prog="launch.py")
    add_flags(parser)
    return to_options(parser.parse_args(arguments))


def example(flag: Flag) -> list[str]:
    if not flag.takes_value:
        return [flag.name]
    words = [word for word in flag.values if word not in ("autocast", "INFO", "system")]
    text = {"device_id": "3", "origins": "https://x"}.get(flag.option, "x")
    return [flag.name, words[0] if words else "3" if flag.kind == "int" else text]


@pytest.mark.parametrize("name", [name for name in KNOWN if name != REFUSED])
def test_each_flag_changes_something_or_says_why_not(name: str) -> None:
    flag = BY_NAME[name]
    options = parse(*example(flag), *NEEDS.get(name, []))
    if flag.launcher:
        assert options == Options()
    elif flag.works:
        assert options.notices == ()
        assert options != Options()
    else:
        (notice,) = options.notices
        assert notice.startswith(f"{name} changes nothing: ")
        assert len(notice.split()) > 6 and notice.endswith(".")
        assert options == Options(notices=options.notices)


def test_the_unsafe_one_is_refused_with_its_reason() -> None:
    with pytest.raises(InvalidField, match="can run any code") as caught:
        parse(REFUSED)
    assert caught.value.exit_code == 2


def test_rows_are_whole() -> None:
    named = {flag.option for flag in FLAGS if flag.option} - {"device_id", "checkpoint"}
    fixed = {name for flag in FLAGS for name in flag.sets if not name.startswith("setting:")}
    assert named | fixed <= option_names()
    settings = {flag.setting for flag in FLAGS if flag.setting}
    settings |= {name.partition(":")[2] for flag in FLAGS for name in flag.sets if name.startswith("setting:")}
    assert settings <= set(Settings.model_fields)
    for flag in FLAGS:
        effects = [flag.sets, flag.option, flag.setting, flag.folders, flag.notice, flag.refused, flag.launcher]
        assert sum(map(bool, effects)) == 1, flag.name
        assert flag.help


def test_no_flag_of_generate_has_the_spelling_of_a_common_one() -> None:
    assert not set(OF_GENERATE) & set(BY_NAME)


@pytest.mark.parametrize(
    ("arguments", "option", "value"),
    [
        (["--no-half"], "precision", "fp32"),
        (["--precision", "half"], "precision", "fp16"),
        (["--precision", "full"], "precision", "fp32"),
        (["--no-half-vae"], "vae_precision", "fp32"),
        (["--bf16-vae"], "vae_precision", "bf16"),
        (["--use-cpu", "all"], "devices", ("cpu",)),
        (["--device-id", "1"], "devices", ("cuda:1",)),
        (["--device-id", "0,cuda:2, CPU,cpu"], "devices", ("cuda:0", "cuda:2", "cpu", "cpu")),
        (["--device-id", "mps"], "devices", ("mps",)),
        ([], "devices", ("auto",)),
        (["--listen"], "host", "0.0.0.0"),
        (["--listen", "--server-name", "10.0.0.2"], "host", "10.0.0.2"),
        ([], "host", "127.0.0.1"),
        (["--theme", "dark"], "settings", {"theme": "dark"}),
        (["--opt-sub-quad-attention"], "settings", {"attention": "sub-quadratic"}),
        (["--xformers"], "settings", {"attention": "xformers"}),
        (["--opt-split-attention-invokeai"], "settings", {"attention": "split"}),
        (["--sub-quad-q-chunk-size", "512"], "sub_quad_q_chunk_size", 512),
        (["--sub-quad-kv-chunk-size", "64"], "sub_quad_kv_chunk_size", 64),
        (["--sub-quad-chunk-threshold", "0"], "sub_quad_chunk_threshold", 0),
        (["--cors-allow-origins", "https://A.b/, https://c:8"], "origins", ("https://a.b", "https://c:8")),
        (["--subpath", "/a/b-c.d/"], "subpath", "/a/b-c.d/"),
        (["--ckpt-dir", "/a", "--ckpt-dir", "/b"], "checkpoint_dirs", (Path("/a").absolute(), Path("/b").absolute())),
        (["--loglevel", "DEBUG"], "loglevel", "DEBUG"),
        (["--skip-load-model-at-start"], "warm", False),
    ],
)
def test_what_flags_mean(arguments: list[str], option: str, value: object) -> None:
    assert getattr(parse(*arguments), option) == value


def test_settings_flags_are_settings() -> None:
    for flag in FLAGS:
        if flag.works and (flag.setting or any("setting:" in name for name in flag.sets)):
            check_settings(parse(*example(flag)).settings)


def test_folders_follow_the_flags(tmp_path: Path) -> None:
    paths = parse("--data-dir", str(tmp_path), "--ui-settings-file", str(tmp_path / "s.json")).paths
    assert paths.outputs == tmp_path / "outputs"
    assert paths.settings == tmp_path / "s.json"
    assert paths.extensions == (PROGRAM_DIR / "extensions", tmp_path / "extensions")
    assert parse("--disable-all-extensions").paths.extensions == ()


def test_a_checkpoint_file_is_searched_alone(tmp_path: Path) -> None:
    options = parse("--ckpt", str(tmp_path / "m.safetensors"), "--ckpt-dir", str(tmp_path / "x"))
    assert options.checkpoint_dirs == (tmp_path / "x", tmp_path / "m.safetensors"), "and nothing else of its folder"
    assert options.settings == {"sd_model_checkpoint": "m.safetensors"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--port", "0"], "between 1 and 65,535, not 0"),
        (["--device-id", "-1"], "numbers from 0"),
        (["--device-id", "0,,1"], "numbers from 0"),
        (["--device-id", "gpu"], "not 'gpu'"),
        (["--use-cpu", "all", "--device-id", "0"], "cannot be given together"),
        (["--tls-keyfile", "k"], "needs both"),
        ([REFUSED], "is refused"),
        (["--sub-quad-q-chunk-size", "0"], "between 1 and 1,000,000, not 0"),
        (["--sub-quad-chunk-threshold", "101"], "between 0 and 100, not 101"),
        (["--subpath", "a b?"], "path of an address, not 'a b\\?'"),
        (["--cors-allow-origins", "https://a.b,foo"], "whole sites .* not 'foo'"),
        (["--cors-allow-origins", "*"], "whole sites"),
        (["--cors-allow-origins", "https://a.b/page"], "whole sites"),
    ],
)
def test_wrong_flags_get_a_sentence(arguments: list[str], expected: str) -> None:
    with pytest.raises(InvalidField, match=expected) as caught:
        parse(*arguments)
    assert caught.value.remedies


def test_the_page_about_flags_is_the_tables() -> None:
    page = PROGRAM_DIR / "docs" / "flags.md"
    assert page.read_text("utf-8") == table_text(), (
        'write it anew: python -c "from webui.core.flags import table_text; import pathlib; '
        "pathlib.Path('docs/flags.md').write_text(table_text(), 'utf-8', newline='\\n')\""
    )
