"""Which backups of a series are kept: the policy's grammar and the plan, both pure."""

from thaniya_core.retention.plan import Candidate as Candidate
from thaniya_core.retention.plan import Decision as Decision
from thaniya_core.retention.plan import Plan as Plan
from thaniya_core.retention.plan import make_plan as make_plan
from thaniya_core.retention.policy import Policy as Policy
from thaniya_core.retention.policy import parse_policy as parse_policy

__all__ = ["Candidate", "Decision", "Plan", "Policy", "make_plan", "parse_policy"]
