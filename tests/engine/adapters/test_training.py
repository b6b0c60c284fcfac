"""What training wrote into a file is told: in short, without folders of who trained it, whatever the file holds."""

import json

import pytest

from tests.engine.adapters.made import write
from tests.engine.adapters.test_files import of_width
from webui.engine.adapters.training import MOST_TAGS, read_training, training_of

TAGS = {"10_me": {"ink ": 20, "wash": 3, "a  hat": 3}, "5_other": {"ink": 2, "cat": 30}}


def test_what_kohya_wrote_is_told(tmp_path):
    metadata = {
        "ss_output_name": "ink-v3", "ss_sd_model_name": "C:\\Users\\me\\models\\v1-5.safetensors",
        "ss_network_module": "networks.lora", "ss_network_dim": "32", "ss_network_alpha": "16.0",
        "ss_clip_skip": "None", "ss_epoch": "", "ss_num_epochs": "10", "ss_steps": "1200",
        "ss_resolution": "(512, 768)", "ss_training_started_at": "1700000000.5", "ss_tag_frequency": json.dumps(TAGS),
        "ss_dataset_dirs": "/home/me",
    }  # fmt: skip
    told = training_of(write(tmp_path / "ink.safetensors", of_width(768), metadata)).to_json()
    assert told.pop("tags") == [
        {"tag": "cat", "count": 30}, {"tag": "ink", "count": 22}, {"tag": "a hat", "count": 3},
        {"tag": "wash", "count": 3},
    ]  # fmt: skip
    assert told == {
        "name": "ink-v3", "base_model": "v1-5.safetensors", "network": "networks.lora", "dim": "32", "alpha": "16.0",
        "resolution": "(512, 768)", "epochs": "10", "steps": "1200", "trained": "2023-11-14",
    }  # fmt: skip


def test_a_file_that_says_nothing_tells_nothing(tmp_path):
    assert training_of(write(tmp_path / "bare.safetensors", of_width(768))).to_json() == {}


@pytest.mark.parametrize(
    "tags",
    [
        "", "[1]", "{", "null", '{"a": 5, "b": [1]}', '{"a": {"x": "y", "z": null, "w": true, "v": -1, "": 2}}',
        '{"a": {"x": NaN, "y": Infinity}}', "[" * 100_000, json.dumps({"a": {"x" * 200: 5}}), " " * 5_000_001,
    ],
    ids=range(10),
)  # fmt: skip
def test_tags_that_are_none_are_left_out(tags):
    assert read_training({"ss_tag_frequency": tags, "ss_training_started_at": "1e999"}).to_json() == {}


def test_of_many_tags_the_most_frequent_are_told():
    tags = {"a": {f"tag {number}": number for number in range(1, 1000)}}
    found = read_training({"ss_tag_frequency": json.dumps(tags)}).tags
    assert len(found) == MOST_TAGS and found[0] == ("tag 999", 999)
