"""What a person is told of an error that ended a job."""

from __future__ import annotations

from webui.core.errors import DarkroomError, ExtensionProblem, OutOfMemory, Problem, first_line
from webui.engine.device import is_out_of_memory
from webui.plugins.origins import extension_of


def problem_of(error: BaseException) -> Problem:
    """What the person is told of an error that ended a job."""
    if isinstance(error, DarkroomError):
        return error.problem()
    if is_out_of_memory(error):
        return OutOfMemory(
            "There is not enough memory for this job.", remedies=("Lower the size or batch size",)
        ).problem()
    said = f"{type(error).__name__}: {first_line(error)}"
    if extension := extension_of(error):
        return ExtensionProblem(f"The extension '{extension}' failed: {said}").problem()
    return DarkroomError(f"The job ended with an error: {said}").problem()
