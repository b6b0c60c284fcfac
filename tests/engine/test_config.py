"""The engine's options cross to the worker; what the web process uses of the engine never imports torch."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.engine.helpers import running
from webui.core.model_folders import ModelFolders
from webui.engine.config import EngineConfig, one_each


def test_the_options_cross_a_process_border():
    config = EngineConfig(ModelFolders((Path("a"),)), cache_dir=Path("b"), precision="bf16", warm_checkpoint="starter")
    assert pickle.loads(pickle.dumps(config)) == config


def test_each_device_has_its_engine_and_one_named_twice_is_shared():
    engines = one_each(EngineConfig(precision="fp16"), ("cuda:0", "cpu", "cpu"))
    assert [(engine.device, engine.sharers) for engine in engines] == [("cuda:0", 1), ("cpu", 2), ("cpu", 2)]
    assert {engine.precision for engine in engines} == {"fp16"}


@pytest.mark.parametrize(("sharers", "threads"), [(1, 4), (2, 2), (9, 1)])
def test_workers_of_one_cpu_share_its_threads(tmp_path, registry, plugins, sharers, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with running(tmp_path, registry, plugins, sharers=sharers):
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_the_web_process_s_part_is_torch_free():
    code = (
        "import sys, webui.engine.config, webui.engine.checkpoints.catalogue, webui.engine.checkpoints.tokens, "
        "webui.plugins.builtin.attention; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
