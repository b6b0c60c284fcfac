"""Choosing device and precision; telling that memory ran out."""

import pytest
import torch

from webui.core.errors import OutOfMemory, WorkerProblem
from webui.engine.device import choose_device, choose_dtype, column, is_out_of_memory, left_by_others, memory

CPU = torch.device("cpu")


def test_a_device_that_is_not_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("cpu") == CPU
    for name in ("cuda:0", "toaster"):
        with pytest.raises(WorkerProblem, match=name):
            choose_device(name)


def test_auto_prefers_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == CPU


def test_the_cpu_computes_in_fp32_and_a_gpu_in_what_it_has_units_for(monkeypatch):
    assert choose_dtype("auto", CPU) is torch.float32
    assert choose_dtype("bf16", CPU) is torch.bfloat16
    for capability, dtype in (((9, 0), torch.bfloat16), ((7, 5), torch.float16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, c=capability: c)
        assert choose_dtype("auto", torch.device("cuda:0")) is dtype


def test_every_device_s_way_of_saying_out_of_memory_is_known():
    for error in (
        torch.OutOfMemoryError("CUDA out of memory."),
        MemoryError(),
        OutOfMemory("x"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MPS backend out of memory"),
    ):
        assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shapes do not match")) and not is_out_of_memory(ValueError("memory"))


def test_memory_and_columns():
    free, total = memory(CPU)
    assert 0 < free <= total
    assert torch.equal(column([1.5, 2.0], CPU), torch.tensor([1.5, 2.0]))


def test_what_others_leave_is_what_is_free_and_what_this_process_holds(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (300, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 450)
    assert left_by_others(torch.device("cuda:0")) == 750
    assert memory(CPU)[0] < left_by_others(CPU)
