"""The engine's options cross to the worker; what the web process uses of the engine never imports torch."""

import pickle
import subprocess
import sys
from pathlib import Path

from webui.engine.config import EngineConfig


def test_the_options_cross_a_process_border():
    config = EngineConfig((Path("a"),), cache_dir=Path("b"), precision="bf16", warm_checkpoint="starter")
    assert pickle.loads(pickle.dumps(config)) == config


def test_the_web_process_s_part_is_torch_free():
    code = (
        "import sys, webui.engine.config, webui.engine.checkpoints.catalogue, webui.engine.checkpoints.tokens, "
        "webui.plugins.builtin.engine; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
