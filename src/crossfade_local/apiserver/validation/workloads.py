"""Validation of the kinds that run pods: Deployments, replicas of both kinds, DaemonSets, StatefulSets, jobs."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.defaults.workloads import job_labels
from crossfade_local.apiserver.state.selectors import selector_from_struct
from crossfade_local.apiserver.validation.claims import validate_claim_spec
from crossfade_local.apiserver.validation.errors import (
    IMMUTABLE,
    FieldError,
    each,
    forbidden,
    invalid,
    not_supported,
    required,
)
from crossfade_local.apiserver.validation.jobs import FAILURE_POLICY, SUCCESS_POLICY, validate_job_spec
from crossfade_local.apiserver.validation.metadata import immutable
from crossfade_local.apiserver.validation.names import dns_label, percent
from crossfade_local.apiserver.validation.pods import validate_template
from crossfade_local.apiserver.validation.shapes import (
    at_most_everything,
    count_or_percent,
    is_empty_selector,
    label_selector,
    not_negative,
    selector_as_sent,
)
from crossfade_local.apiserver.values.gotext import GoStruct, go_struct
from crossfade_local.cron import ScheduleError, parse_schedule, zone_of
from crossfade_local.values.fields import at, mapping, number, objects, text

_LONGEST_CRON_JOB: Final = 52
_PLACEMENT: Final = ("affinity", "nodeSelector", "schedulingGates", "tolerations")
_UPDATES: Final = ("RollingUpdate", "OnDelete")
_STATEFUL_UPDATE: Final = {"type": "", "rollingUpdate": {"partition": 0, "maxUnavailable": None}}
_DAEMON_UPDATE: Final = {"type": "", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}
_RETENTION: Final = ("Retain", "Delete")
_POLICIES: Final = {"podFailurePolicy": FAILURE_POLICY, "successPolicy": SUCCESS_POLICY}
_MISMATCH: Final = "`selector` does not match template `labels`"


def validate_deployment(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from _validate_selector(spec, "deployment")
    yield from _validate_template(spec, "ReplicaSet")
    yield from _validate_strategy(mapping(spec, "strategy"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    if isinstance(deadline, int):
        yield from not_negative("spec.progressDeadlineSeconds", deadline)
        if deadline <= number(spec, "minReadySeconds"):
            yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def validate_replica_set(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _validate_selector(spec, "deployment")
    yield from _validate_template(spec, "ReplicaSet")


def validate_replication_controller(obj: JsonObject) -> Iterator[FieldError]:
    """Its selector is a plain map of labels, which may change."""
    spec = mapping(obj, "spec")
    selector = mapping(spec, "selector")
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    if not selector:
        yield required("spec.selector")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    if not isinstance(spec.get("template"), dict):
        yield required("spec.template")
        return
    labels = mapping(spec, "template", "metadata", "labels")
    if not selector.items() <= labels.items():
        yield invalid("spec.template.metadata.labels", at(spec, "template", "metadata", "labels"), _MISMATCH)
    yield from _template_of_lasting_pods(spec, "ReplicationController")


def validate_daemon_set(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    yield from label_selector("spec.selector", spec.get("selector"))
    if _mismatched(spec):
        yield invalid("spec.template.metadata.labels", at(spec, "template", "metadata", "labels"), _MISMATCH)
    if isinstance(spec.get("selector"), dict) and is_empty_selector(spec["selector"]):
        yield invalid("spec.selector", spec["selector"], "empty selector is invalid for daemonset")
    yield from validate_template("spec.template", mapping(spec, "template"))
    yield from _only_always(spec)
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _daemon_strategy(mapping(spec, "updateStrategy"))
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def validate_new_stateful_set(obj: JsonObject) -> Iterator[FieldError]:
    yield from _stateful_set(obj, is_new=True)
    if service := text(obj, "spec", "serviceName"):
        yield from each("spec.serviceName", service, dns_label(service))


def validate_stateful_set(obj: JsonObject) -> Iterator[FieldError]:
    return _stateful_set(obj, is_new=False)


def _stateful_set(obj: JsonObject, *, is_new: bool) -> Iterator[FieldError]:
    """The templates of claims are looked at once: they stay as they are."""
    spec = mapping(obj, "spec")
    policy = text(spec, "podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        said = "must be 'OrderedReady' or 'Parallel'"
        yield invalid("spec.podManagementPolicy", policy, said) if policy else required("spec.podManagementPolicy")
    strategy = mapping(spec, "updateStrategy")
    if (kind := text(strategy, "type")) not in _UPDATES:
        said = "must be 'RollingUpdate' or 'OnDelete'"
        shown = go_struct(strategy, _STATEFUL_UPDATE)
        yield invalid("spec.updateStrategy", shown, said) if kind else required("spec.updateStrategy")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    if is_new:
        yield from _claim_templates(spec)
    yield from _validate_selector(spec, "statefulset")
    yield from _validate_template(_with_claims(spec), "StatefulSet")
    for name in ("whenDeleted", "whenScaled"):
        kept = at(spec, "persistentVolumeClaimRetentionPolicy", name)
        if kept not in (None, "", *_RETENTION):
            yield not_supported(f"spec.persistentVolumeClaimRetentionPolicy.{name}", kept, _RETENTION)
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.ordinals.start", at(spec, "ordinals", "start"))
    rolling = mapping(spec, "updateStrategy", "rollingUpdate")
    yield from not_negative("spec.updateStrategy.rollingUpdate.partition", rolling.get("partition"))
    if (most := rolling.get("maxUnavailable")) is not None:
        place = "spec.updateStrategy.rollingUpdate.maxUnavailable"
        yield from count_or_percent(place, most)
        yield from at_most_everything(place, most)
        if most in (0, "0%"):
            yield invalid(place, most, "cannot be 0")


def validate_pod_template(obj: JsonObject) -> Iterator[FieldError]:
    yield from validate_template("template", mapping(obj, "template"))


def validate_new_job(obj: JsonObject) -> Iterator[FieldError]:
    yield from _generated_selector(obj)
    yield from validate_job(obj)
    spec, name = mapping(obj, "spec"), text(obj, "metadata", "name")
    if spec.get("completionMode") == "Indexed" and number(spec, "completions") > 0:
        last = f"{name}-{number(spec, 'completions') - 1}"
        if dns_label(last):
            said = f"will not able to create pod with invalid DNS label: {last}"
            yield invalid("metadata.name", name, said)


def _generated_selector(obj: JsonObject) -> Iterator[FieldError]:
    """Whose pods nobody else selects, unless who wrote it sees to that."""
    spec = mapping(obj, "spec")
    if spec.get("manualSelector") is True or not isinstance(spec.get("selector"), dict):
        return
    wanted, labels = job_labels(obj), mapping(spec, "template", "metadata", "labels")
    for name, value in wanted.items():
        if name not in labels:
            yield required(f"spec.template.metadata.labels[{name}]", f"must be '{value}'")
        elif labels[name] != value:
            yield invalid(f"spec.template.metadata.labels[{name}]", labels, f"must be '{value}'")
    parsed = selector_from_struct(spec["selector"])
    if parsed is not None and not parsed.matches_labels(wanted):
        yield invalid("spec.selector", selector_as_sent(spec["selector"]), "`selector` not auto-generated")


def validate_job(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    yield from validate_job_spec("spec", spec)
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        yield required("spec.selector")
    else:
        yield from label_selector("spec.selector", selector)
    if _mismatched(spec):
        yield invalid("spec.template.metadata.labels", at(spec, "template", "metadata", "labels"), _MISMATCH)


def validate_cron_job(obj: JsonObject) -> Iterator[FieldError]:
    spec = mapping(obj, "spec")
    schedule = text(spec, "schedule")
    if not schedule:
        yield required("spec.schedule")
    else:
        try:
            parse_schedule(schedule)
        except ScheduleError as error:
            yield invalid("spec.schedule", schedule, str(error))
    yield from not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    yield from _time_zone(spec.get("timeZone"))
    policy = text(spec, "concurrencyPolicy")
    if policy not in ("Allow", "Forbid", "Replace"):
        yield not_supported("spec.concurrencyPolicy", policy, ("Allow", "Forbid", "Replace"))
    yield from not_negative("spec.successfulJobsHistoryLimit", spec.get("successfulJobsHistoryLimit"))
    yield from not_negative("spec.failedJobsHistoryLimit", spec.get("failedJobsHistoryLimit"))
    yield from validate_job_spec("spec.jobTemplate.spec", mapping(spec, "jobTemplate", "spec"))
    if len(text(obj, "metadata", "name")) > _LONGEST_CRON_JOB:
        yield invalid("metadata.name", text(obj, "metadata", "name"), "must be no more than 52 characters")


def _time_zone(name: Any) -> Iterator[FieldError]:
    if name is None:
        return
    if not name:
        yield invalid("spec.timeZone", name, "timeZone must be nil or non-empty string")
    elif name.lower() == "local":
        yield invalid(
            "spec.timeZone",
            name,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        )
    else:
        try:
            zone_of(name)
        except ScheduleError as error:
            yield invalid("spec.timeZone", name, str(error))


def validate_selector_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    """The selector of a workload stays what it was."""
    after, before = at(new, "spec", "selector"), at(old, "spec", "selector")
    if after != before:
        yield invalid("spec.selector", selector_as_sent(after), IMMUTABLE)


def validate_job_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    # The template of a Job that has not begun may still be changed where it decides on placement.
    waiting = bool(at(old, "spec", "suspend")) and not text(old, "status", "startTime")
    yield from _completions_update(mapping(new, "spec"), mapping(old, "spec"))
    for name in ("selector", "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "successPolicy"):
        after, before = at(new, "spec", name), at(old, "spec", name)
        if name == "template" and waiting:
            after, before = _without_placement(after), _without_placement(before)
        if after != before:
            yield invalid(f"spec.{name}", go_struct(after, _POLICIES.get(name)), IMMUTABLE)


def _completions_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    """An indexed job may become larger or smaller with all of its pods at once."""
    after, before = new.get("completions"), old.get("completions")
    if new.get("completionMode") != "Indexed":
        yield from immutable("spec.completions", after, before)
    elif after not in (None, before) and after != new.get("parallelism"):
        yield invalid("spec.completions", after, "can only be modified in tandem with spec.parallelism")


def _without_placement(template: Any) -> Any:
    if not isinstance(template, dict):
        return template
    spec = {key: value for key, value in mapping(template, "spec").items() if key not in _PLACEMENT}
    metadata = {
        key: value for key, value in mapping(template, "metadata").items() if key not in ("annotations", "labels")
    }
    return {**template, "metadata": metadata, "spec": spec}


def validate_stateful_set_update(new: JsonObject, old: JsonObject) -> Iterator[FieldError]:
    changeable = (
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    )
    after, before = (
        {name: value for name, value in _with_untyped_claims(mapping(obj, "spec")).items() if name not in changeable}
        for obj in (new, old)
    )
    if after != before:
        listed = ", ".join(f"'{name}'" for name in changeable[:-1])
        said = f"updates to statefulset spec for fields other than {listed} and 'minReadySeconds' are forbidden"
        yield forbidden("spec", said)


def _with_untyped_claims(spec: JsonObject) -> JsonObject:
    """Of which kind they are need not be said."""
    templates = [
        {name: value for name, value in template.items() if name not in ("apiVersion", "kind", "status")}
        for template in objects(spec, "volumeClaimTemplates")
    ]
    return {**spec, "volumeClaimTemplates": templates}


def _with_claims(spec: JsonObject) -> JsonObject:
    """With the volumes that the pods will have beside those of the template."""
    names = [text(template, "metadata", "name") for template in objects(spec, "volumeClaimTemplates")]
    template = mapping(spec, "template")
    pod = mapping(template, "spec")
    kept = [volume for volume in objects(pod, "volumes") if text(volume, "name") not in names]
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in dict.fromkeys(names)]
    if not claims:
        return spec
    return {**spec, "template": {**template, "spec": {**pod, "volumes": [*kept, *claims]}}}


def _claim_templates(spec: JsonObject) -> Iterator[FieldError]:
    """What no claim could be made from; that it has a name shows in the pods' volumes."""
    for index, template in enumerate(objects(spec, "volumeClaimTemplates")):
        yield from validate_claim_spec(f"spec.volumeClaimTemplates[{index}].spec", mapping(template, "spec"))


def _validate_selector(spec: JsonObject, owner: str) -> Iterator[FieldError]:
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        yield required("spec.selector")
        return
    yield from label_selector("spec.selector", selector)
    if is_empty_selector(selector):
        yield invalid("spec.selector", selector, f"empty selector is invalid for {owner}")


def _validate_template(spec: JsonObject, owner: str) -> Iterator[FieldError]:
    if _is_selector_bad(spec):
        said = "" if owner == "StatefulSet" else "invalid label selector"
        yield invalid("spec.selector", selector_as_sent(spec.get("selector")), said)
        return
    if _mismatched(spec):
        yield invalid("spec.template.metadata.labels", at(spec, "template", "metadata", "labels"), _MISMATCH)
    yield from _template_of_lasting_pods(spec, owner)


def _template_of_lasting_pods(spec: JsonObject, owner: str) -> Iterator[FieldError]:
    yield from validate_template("spec.template", mapping(spec, "template"))
    yield from _only_always(spec)
    if at(spec, "template", "spec", "activeDeadlineSeconds") is not None:
        said = f"activeDeadlineSeconds in {owner} is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", said)


def _mismatched(spec: JsonObject) -> bool:
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        # No selector selects nothing, so it can't match any template.
        return True
    if is_empty_selector(selector):
        return False
    if _is_selector_bad(spec):
        return False
    parsed = selector_from_struct(selector)
    return parsed is not None and not parsed.matches_labels(mapping(spec, "template", "metadata", "labels"))


def _is_selector_bad(spec: JsonObject) -> bool:
    return any(label_selector("spec.selector", spec.get("selector")))


def _only_always(spec: JsonObject) -> Iterator[FieldError]:
    policy = text(spec, "template", "spec", "restartPolicy")
    if policy != "Always":
        yield not_supported("spec.template.spec.restartPolicy", policy, ("Always",))


def _validate_strategy(strategy: JsonObject) -> Iterator[FieldError]:
    field, rolling, kind = "spec.strategy", strategy.get("rollingUpdate"), text(strategy, "type")
    if kind == "Recreate":
        if rolling is not None:
            said = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden(f"{field}.rollingUpdate", said)
        return
    if kind != "RollingUpdate":
        value = GoStruct(
            Type=kind,
            RollingUpdate=None
            if rolling is None
            else GoStruct(MaxUnavailable=at(rolling, "maxUnavailable") or 0, MaxSurge=at(rolling, "maxSurge") or 0),
        )
        yield not_supported(field, value, ("Recreate", "RollingUpdate"))
        return
    if not isinstance(rolling, dict):
        yield required(f"{field}.rollingUpdate", "this should be defaulted and never be nil")
        return
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    place = f"{field}.rollingUpdate"
    yield from count_or_percent(f"{place}.maxUnavailable", unavailable)
    yield from count_or_percent(f"{place}.maxSurge", surge)
    if unavailable in (0, "0%") and surge in (0, "0%"):
        yield invalid(f"{place}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    yield from at_most_everything(f"{place}.maxUnavailable", unavailable)


def _daemon_strategy(strategy: JsonObject) -> Iterator[FieldError]:
    kind = text(strategy, "type")
    if not kind:
        yield required("spec.updateStrategy")
    elif kind not in _UPDATES:
        yield not_supported("spec.updateStrategy", go_struct(strategy, _DAEMON_UPDATE), _UPDATES)
    rolling, field = strategy.get("rollingUpdate"), "spec.updateStrategy.rollingUpdate"
    if kind != "RollingUpdate":
        return
    if not isinstance(rolling, dict):
        yield required(field)
        return
    most, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    for name, value in (("maxUnavailable", most), ("maxSurge", surge)):
        yield from count_or_percent(f"{field}.{name}", value)
        yield from at_most_everything(f"{field}.{name}", value)
    # Kubernetes' words for a text that is no percentage: it counts as none.
    has_most, has_surge = _is_some(most), _is_some(surge)
    if has_most and has_surge:
        yield invalid(f"{field}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif not has_most and not has_surge:
        yield required(f"{field}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _is_some(value: Any) -> bool:
    return bool(int(value[:-1])) if isinstance(value, str) and not percent(value) else bool(value)
