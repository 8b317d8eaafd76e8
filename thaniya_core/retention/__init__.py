"""Which backups of a series are kept: the policy's grammar, the plan as a pure function, and carrying it out."""

from thaniya_core.retention.plan import Candidate, Decision, Plan, make_plan
from thaniya_core.retention.policy import Policy, parse_policy
from thaniya_core.retention.retention import NotPruned, Pruned, Retention, SeriesPlan
from thaniya_core.retention.settings import Applied, RetentionSettings, read_configured

__all__ = [
    "Applied",
    "Candidate",
    "Decision",
    "NotPruned",
    "Plan",
    "Policy",
    "Pruned",
    "Retention",
    "RetentionSettings",
    "SeriesPlan",
    "make_plan",
    "parse_policy",
    "read_configured",
]
