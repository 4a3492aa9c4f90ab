"""What a job asks of Slurm: where, for how long, and with how much of a node."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from ..study.errors import UserError

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,-]{0,254}")
_DURATION = re.compile(r"(?:(?P<minutes>\d+)|(?:(?P<days>\d+)-)?(?P<hours>\d+):(?P<rest>\d\d):\d\d)")
_LEAST_MINUTES = 2


@dataclass(frozen=True)
class SlurmRequest:
    """What a job asks of Slurm; what is zero or empty is left to the cluster.

    Attributes:
        minutes: Time after which Slurm ends the job, which then goes on in a new turn.
        partition: Partition, or several with commas between.
        account: Account that pays.
        cards: Number of graphics cards.
        cores: Number of processor cores.
        memory: Main memory in GB.
    """

    minutes: int
    partition: str = ""
    account: str = ""
    cards: int = 0
    cores: int = 0
    memory: int = 0

    def __post_init__(self) -> None:
        """Refuse what Slurm or a shell would read in another way; raises UserError."""
        for word in (self.partition, self.account):
            if word and not _WORD.fullmatch(word):
                raise UserError(f"{word!r} is no partition or account.", "Take a name that sinfo or sacctmgr shows.")
        if min(self.cards, self.cores, self.memory) < 0:
            raise UserError("Cards, cores and memory cannot be negative.", "Leave out what the cluster shall choose.")
        if self.minutes < _LEAST_MINUTES:
            raise UserError(
                f"A job needs {_LEAST_MINUTES} minutes at least.", "Give more time, such as --time 24:00:00."
            )

    def time(self) -> str:
        """Return the time as hours:minutes:seconds."""
        return f"{self.minutes // 60}:{self.minutes % 60:02}:00"

    def words(self) -> tuple[str, ...]:
        """Return the request as words of a command."""
        values = dataclasses.asdict(self).items()
        return tuple(f"{name}={value}" for name, value in values if value)

    @classmethod
    def from_words(cls, words: tuple[str, ...]) -> SlurmRequest:
        """Return the request that `words` gave; raises UserError for any other."""
        kinds = {field.name: int if field.type == "int" else str for field in dataclasses.fields(cls)}
        try:
            values: dict[str, Any] = {}
            for word in words:
                name, value = word.split("=", 1)
                values[name] = kinds[name](value)
            return cls(**values)
        except (ValueError, KeyError, TypeError) as error:
            raise UserError("The request to Slurm is damaged.", "Update the program on both sides.") from error


def minutes_of(text: str) -> int:
    """Return the minutes of a duration as Slurm has it, minutes, hours:minutes:seconds or days-hours:minutes:seconds.

    Raises:
        ValueError: It is none of these.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration")
    if found["minutes"]:
        return int(found["minutes"])
    return int(found["days"] or 0) * 1440 + int(found["hours"]) * 60 + int(found["rest"])
