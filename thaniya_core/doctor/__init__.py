"""Whether everything that a server stands on is as it should be, and what mends what is not. Changes nothing."""

from thaniya_core.doctor.diagnosis import diagnose, make_subject
from thaniya_core.doctor.finding import Finding, Level
from thaniya_core.doctor.machine import Machine

__all__ = ["Finding", "Level", "Machine", "diagnose", "make_subject"]
