"""The mean-teacher family: a student and its EMA teacher."""

from __future__ import annotations

from torch import Tensor, nn

from .method import Method, MethodContext, TrainingStep
from .parts.noise import clipped_noise
from .parts.teacher import MeanTeacher


class TeacherStudent(Method):
    """A student with an EMA teacher, averaged after each step; the base of its family."""

    def __init__(self, context: MethodContext) -> None:
        super().__init__(context)
        self.teacher = MeanTeacher(self.student, context.settings["ema_decay"])

    def noisy(self, images: Tensor) -> Tensor:
        """Return images with a fresh draw of the method's clipped Gaussian noise xi."""
        return clipped_noise(images, self.settings["noise_std"], self.settings["noise_clip"])

    def after_step(self, step: TrainingStep) -> None:
        """Average the student into the teacher."""
        self.teacher.update(self.student, step.index)

    def inference_network(self) -> nn.Module:
        """Return the student, as the papers do, or the teacher by setting."""
        return self.student if self.settings["inference_network"] == "student" else self.teacher.network
