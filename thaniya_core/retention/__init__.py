"""Which backups of a series are kept: the policy's grammar, the plan as a pure function, and carrying it out."""

from thaniya_core.retention.plan import Candidate, Decision, Plan, make_plan
from thaniya_core.retention.policy import ALL, KEYS, Period, Policy, make_policy, parse_policy
from thaniya_core.retention.retention import NotPruned, PlanSums, Pruned, Retention, SeriesPlan
from thaniya_core.retention.settings import (
    EVERYTHING,
    Applied,
    RetentionSettings,
    ScopeStatus,
    check_scope,
    read_configured,
)
from thaniya_core.retention.spans import Span, parse_span

__all__ = [
    "ALL",
    "EVERYTHING",
    "KEYS",
    "Applied",
    "Candidate",
    "Decision",
    "NotPruned",
    "Period",
    "Plan",
    "PlanSums",
    "Policy",
    "Pruned",
    "Retention",
    "RetentionSettings",
    "ScopeStatus",
    "SeriesPlan",
    "Span",
    "check_scope",
    "make_plan",
    "make_policy",
    "parse_policy",
    "parse_span",
    "read_configured",
]
