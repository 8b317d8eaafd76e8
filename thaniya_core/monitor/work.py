"""The rules about what goes on: uploads, jobs, slots, the service, the clock, and what tells people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from thaniya_core.config import CheckLimits
from thaniya_core.formats.quantities import format_duration
from thaniya_core.model import JobState, Severity, Slot, SlotState, UploadState
from thaniya_core.monitor.facts import ServerFacts
from thaniya_core.monitor.findings import Finding
from thaniya_core.monitor.summary import SeriesSummary

RETENTION_RUN = "retention"
"""What the schedule calls applying retention."""

_CLOCK_TOLERANCE = timedelta(minutes=5)
_RETRIES = 3
"""A job that failed so often will hardly mend itself."""


def examine_uploads(facts: ServerFacts, limits: CheckLimits) -> Iterator[Finding]:
    """Uploads that failed or do not get on."""
    for upload in facts.uploads:
        subject = f"{upload.series}/{upload.id}"
        if upload.state is UploadState.FAILED:
            yield Finding(
                "upload_failed",
                subject,
                Severity.CRITICAL,
                f"archiving was given up: {upload.reason}",
                "mend the cause, then thaniya job retry JOB (see thaniya job list)",
            )
            continue
        if upload.state is UploadState.OPEN:
            allowed_s, since = 2 * facts.silence_s + limits.stuck, upload.last_activity_at
        else:
            allowed_s, since = limits.stuck, upload.completed_at or upload.last_activity_at
        waiting_s = (facts.now - since).total_seconds()
        if waiting_s > allowed_s:
            yield Finding(
                "upload_stuck",
                subject,
                Severity.WARNING,
                f"it has been {upload.state} for {format_duration(waiting_s)}"
                + (f": {upload.reason}" if upload.reason else ""),
                f"thaniya upload show {upload.id}; does the service run?",
            )


def examine_jobs(facts: ServerFacts, limits: CheckLimits) -> Iterator[Finding]:
    """Jobs that were given up, fail again and again, or do not get on. A failed upload tells of its job itself."""
    told = {upload.id for upload in facts.uploads if upload.state is UploadState.FAILED}
    for job in facts.jobs:
        subject = f"{job.kind} {job.subject}"
        if job.state is JobState.FAILED and job.subject not in told:
            cure = f"mend the cause, then thaniya job retry {job.id}"
            yield Finding("job_failed", subject, Severity.CRITICAL, f"given up: {job.reason}", cure)
        elif job.state is JobState.RUNNING and _is_over(job.claim_until, facts.now, limits):
            yield Finding(
                "job_stuck",
                subject,
                Severity.WARNING,
                f"{job.claimed_by or 'a worker'} began it and has not been heard of since",
                "start the service (thaniya serve or thaniya tick): it takes the job up again",
            )
        elif job.state is JobState.QUEUED and _is_over(job.not_before, facts.now, limits):
            waiting = format_duration((facts.now - job.not_before).total_seconds())
            cure = "does the service run? thaniya job list"
            yield Finding("job_stuck", subject, Severity.WARNING, f"it has waited for {waiting}", cure)
        elif job.state is JobState.QUEUED and job.attempts >= _RETRIES:
            cure = f"mend the cause; thaniya job retry {job.id} does not wait"
            text = f"it failed {job.attempts} times: {job.reason}"
            yield Finding("job_failing", subject, Severity.WARNING, text, cure)


def _is_over(moment: datetime | None, now: datetime, limits: CheckLimits) -> bool:
    return moment is None or (now - moment).total_seconds() > limits.stuck


def examine_slots(slots: Iterable[Slot]) -> Iterator[Finding]:
    """Slots that cannot be used; without any left, nobody can back up."""
    all_slots = list(slots)
    unusable = [slot for slot in all_slots if slot.state in (SlotState.DEGRADED, SlotState.DISABLED)]
    for slot in unusable:
        is_degraded = slot.state is SlotState.DEGRADED
        yield Finding(
            "slot_degraded" if is_degraded else "slot_disabled",
            slot.name,
            Severity.WARNING,
            f"it could not be cleaned: {slot.reason}" if is_degraded else "it is disabled",
            f"mend the cause, then thaniya slot reset {slot.name}"
            if is_degraded
            else f"thaniya slot enable {slot.name}, or thaniya slot remove {slot.name}",
        )
    if len(unusable) == len(all_slots):
        yield Finding(
            "no_usable_slot",
            "slots",
            Severity.CRITICAL,
            f"none of {len(all_slots)} slots can take an upload" if all_slots else "there is no slot",
            "thaniya slot list" if all_slots else "thaniya slot add 1",
        )


def examine_users(facts: ServerFacts, series: Iterable[SeriesSummary], limits: CheckLimits) -> Iterator[Finding]:
    """Users who may back up and never did."""
    if not limits.first_backup:
        return
    with_backups = {each.series.user for each in series if each.backups}
    for user in facts.users:
        age_s = (facts.now - user.created_at).total_seconds()
        if user.enabled and user.name not in with_backups and age_s > limits.first_backup:
            yield Finding(
                "user_without_backup",
                user.name,
                Severity.WARNING,
                f"added {format_duration(age_s)} ago, and no backup yet",
                f"help them to make one; or thaniya user disable {user.name}",
            )


def examine_verification(series: Iterable[SeriesSummary], limits: CheckLimits) -> Iterator[Finding]:
    """Backups that nobody has read for too long: one finding for all, they are read one after the other anyway."""
    unverified = [each for each in series if each.unverified]
    if unverified:
        number = sum(each.unverified for each in unverified)
        days, rest_s = divmod(limits.verified_within, 86400)
        yield Finding(
            "backups_unverified",
            "backups",
            Severity.WARNING,
            f"{number} backups of {len(unverified)} series, {unverified[0].series} for one, were not read for "
            f"{format_duration(limits.verified_within)}",
            f"thaniya backup verify --older-than {limits.verified_within}s"
            if rest_s
            else f"thaniya backup verify --older-than {days}d",
        )


def examine_service(facts: ServerFacts, limits: CheckLimits) -> Iterator[Finding]:
    """Whether somebody does the work."""
    if facts.service_runs or not limits.service_within:
        return
    seen = facts.service_seen_at
    if seen is None or (facts.now - seen).total_seconds() > limits.service_within:
        when = "ever ran" if seen is None else f"ran for {format_duration((facts.now - seen).total_seconds())}"
        yield Finding(
            "service_not_running",
            "service",
            Severity.CRITICAL,
            f"neither the service nor a tick {when}: nothing is archived",
            "start thaniya serve (systemctl start thaniya), or let cron run thaniya tick",
        )


def examine_retention(facts: ServerFacts, series: Iterable[SeriesSummary], limits: CheckLimits) -> Iterator[Finding]:
    """Whether a policy that was set is heeded."""
    begun = [each.oldest_at for each in series if each.is_pruned and each.oldest_at is not None]
    if not begun or not limits.retention_within:
        return
    run = facts.runs.get(RETENTION_RUN)
    ran_at = run.ran_at if run is not None else None
    waiting_s = (facts.now - (ran_at or min(begun))).total_seconds()
    if waiting_s > limits.retention_within:
        waiting = format_duration(waiting_s)
        yield Finding(
            "retention_not_applied",
            "retention",
            Severity.WARNING,
            "a policy is set, but "
            + (f"was never applied in {waiting}" if ran_at is None else f"was not applied for {waiting}"),
            "thaniya retention plan, then thaniya retention apply",
        )


def examine_schedule(facts: ServerFacts, limits: CheckLimits) -> Iterator[Finding]:
    """Parts of the schedule that fail or do not come to their end. Those that are switched off do not count."""
    for name, run in sorted(facts.runs.items()):
        every_s = facts.every_s.get(name, 0)
        if not every_s:
            continue
        failure = run.failure_by(facts.now)
        if failure:
            cure = f"mend the cause; thaniya schedule --run {name} does not wait"
            yield Finding("schedule_failed", name, Severity.WARNING, f"the last run failed: {failure}", cure)
        running_s = (facts.now - run.began_at).total_seconds() if run.began_at and run.is_running(facts.now) else 0.0
        if running_s > max(limits.stuck, every_s):
            text = f"{run.claimed_by} has been at it for {format_duration(running_s)}"
            cure = "does a disk hang? thaniya volume list; a restart of the service ends it"
            yield Finding("schedule_stuck", name, Severity.WARNING, text, cure)


def examine_clock(facts: ServerFacts, series: Iterable[SeriesSummary]) -> Iterator[Finding]:
    """Whether something happened later than now. Retention and lateness go by this clock."""
    moments = [(each.newest_at, f"the newest backup of {each.series}") for each in series]
    moments += [(upload.last_activity_at, f"the upload {upload.id}") for upload in facts.uploads]
    moments += [(job.created_at, f"the job {job.id}") for job in facts.jobs]
    moments.append((facts.service_seen_at, "the last pass of the service"))
    known = [(moment, what) for moment, what in moments if moment is not None]
    if not known:
        return
    newest, what = max(known)
    if newest > facts.now + _CLOCK_TOLERANCE:
        ahead = format_duration((newest - facts.now).total_seconds())
        yield Finding(
            "clock_set_back",
            "clock",
            Severity.CRITICAL,
            f"{what} is {ahead} in the future: was the clock set back?",
            "compare `date` with another clock; let NTP keep it",
        )


def examine_telling(facts: ServerFacts, series: Iterable[SeriesSummary]) -> Iterator[Finding]:
    """Whether those who are to be told are reached. Of a series that is retired or forgotten no ping will come."""
    for channel in facts.channels:
        if channel.failed_at is not None:
            since = format_duration((facts.now - channel.failed_at).total_seconds())
            text = f"nothing came through for {since}: {channel.reason}"
            cure = "mend it, then thaniya notify test"
            yield Finding("notification_failed", channel.name, Severity.WARNING, text, cure)
    failed = facts.pings.failed if facts.pings is not None else {}
    for subject in sorted(failed.keys() & {str(each.series) for each in series if not each.is_retired}):
        cure = "compare [ping] in thaniya.toml with the service that is pinged"
        yield Finding(
            "ping_failed", subject, Severity.WARNING, f"the last ping did not come through: {failed[subject]}", cure
        )
