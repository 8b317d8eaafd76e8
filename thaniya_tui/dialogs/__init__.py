"""Questions and messages in front of an area."""

from thaniya_tui.dialogs.ask import Ask, Field
from thaniya_tui.dialogs.confirm import Confirm
from thaniya_tui.dialogs.failure import Failure, FailureText, describe_failure
from thaniya_tui.dialogs.help import Help
from thaniya_tui.dialogs.pick import Pick
from thaniya_tui.dialogs.reading import Reading

__all__ = ["Ask", "Confirm", "Failure", "FailureText", "Field", "Help", "Pick", "Reading", "describe_failure"]
