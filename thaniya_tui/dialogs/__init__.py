"""Questions and messages in front of an area."""

from thaniya_tui.dialogs.ask import TICKED, Ask, Choice, Field
from thaniya_tui.dialogs.confirm import Confirm
from thaniya_tui.dialogs.failure import Failure, FailureText, describe_failure
from thaniya_tui.dialogs.help import Help
from thaniya_tui.dialogs.pick import Pick
from thaniya_tui.dialogs.reading import Reading
from thaniya_tui.dialogs.tick import Tick

__all__ = [
    "TICKED",
    "Ask",
    "Choice",
    "Confirm",
    "Failure",
    "FailureText",
    "Field",
    "Help",
    "Pick",
    "Reading",
    "Tick",
    "describe_failure",
]
