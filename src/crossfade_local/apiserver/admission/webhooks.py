"""Runs the admission webhooks that users register: mutating ones in order, validating ones side by side."""

import asyncio
import logging
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission import reviews, webhook_rules
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.admission.chain import Again
from crossfade_local.apiserver.admission.webhook_client import CallError, WebhookClient
from crossfade_local.apiserver.admission.webhook_rules import Interested
from crossfade_local.apiserver.crd import conditions
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.patch import PatchError, apply_json_patch
from crossfade_local.apiserver.security.rbac import Authorizer
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry
from crossfade_local.apiserver.wire.status import bad_request, forbidden, internal
from crossfade_local.apiserver.writing import objects

_SIDE_EFFECT_FREE: Final = ("None", "NoneOnDryRun")
log = logging.getLogger(__name__)


class WebhookCaller:
    """Finds the webhooks of each write in the store and asks them."""

    def __init__(self, storage: Storage, registry: Registry, rules: Rules, authorizer: Authorizer) -> None:
        self._storage: Final = storage
        self._registry: Final = registry
        self._rules: Final = rules
        self._authorizer: Final = authorizer
        self._client: Final = WebhookClient(storage)

    async def mutate(self, attributes: Attributes) -> Again:
        """Let each webhook change `attributes.new`; those that ask for it see later changes once more."""
        called: list[Interested] = []
        seen: dict[int, JsonObject | None] = {}
        for hook in webhook_rules.interested(webhook_rules.MUTATING, attributes, self._storage, self._registry):
            await self._mutate_once(attributes, hook)
            seen[len(called)] = attributes.new
            called.append(hook)

        async def again() -> None:
            for index, hook in enumerate(called):
                is_wanted = hook.webhook.get("reinvocationPolicy") == "IfNeeded"
                if is_wanted and attributes.new is not None and attributes.new != seen[index]:
                    await self._mutate_once(attributes, hook)

        return again

    async def _mutate_once(self, attributes: Attributes, hook: Interested) -> None:
        verdict = await self._ask(attributes, hook)
        if verdict is None or not verdict.patch or attributes.new is None:
            return
        served = reviews.shown(attributes, hook.resource, attributes.new)
        assert served is not None
        try:
            patched = apply_json_patch(served, verdict.patch)
        except PatchError as error:
            # A patch that can't be applied is the webhook's failure, whatever its failure policy.
            raise internal(f'failed calling webhook "{hook.name}": {error.message}') from error
        if (own := attributes.own_kind) is not None:
            attributes.new = objects.known_unstored(own, self._registry.types.schema(own), patched).object
            return
        known = objects.known_fields(hook.resource, patched)
        attributes.new = objects.with_defaults(hook.resource, known.object)

    async def validate(self, attributes: Attributes) -> None:
        """All at once; the first denial in order of the configurations counts."""
        hooks = list(webhook_rules.interested(webhook_rules.VALIDATING, attributes, self._storage, self._registry))
        if not hooks:
            return
        results = await asyncio.gather(*(self._ask(attributes, hook) for hook in hooks), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _ask(self, attributes: Attributes, hook: Interested) -> reviews.Verdict | None:
        """The verdict of a webhook that allows; None if it is not concerned or its failure is ignored."""
        request = reviews.request_for(attributes, hook.resource)
        if not await self._fulfils_conditions(attributes, hook, request):
            return None
        if attributes.dry_run and hook.webhook.get("sideEffects") not in _SIDE_EFFECT_FREE:
            raise bad_request(
                f'admission webhook "{hook.name}" does not support dry run',
            )
        try:
            answer = await self._client.call(hook.webhook, reviews.review_of(request, hook))
            verdict = reviews.verdict_of(answer, request)
        except (CallError, reviews.BadAnswerError) as error:
            return self._failed(hook, str(error))
        for warning in verdict.warnings:
            attributes.call.warn(warning)
        if not verdict.allowed:
            raise reviews.denial(hook.name, verdict.status)
        return verdict

    async def _fulfils_conditions(self, attributes: Attributes, hook: Interested, request: JsonObject) -> bool:
        """Whether the webhook is to be called; raises StatusError 403 if that cannot be told and its failure counts."""
        expressions = [str(condition["expression"]) for condition in hook.webhook.get("matchConditions") or ()]
        if not expressions:
            return True
        decide = self._authorizer.decide
        errors = await self._rules.condition_errors(expressions, reviews.shown_to_expressions(request), decide)
        if not errors:
            return errors is not None
        why = conditions.together(errors)
        if hook.ignores_failure:
            log.warning('match conditions of webhook "%s": %s (ignored, as its failurePolicy says)', hook.name, why)
            return False
        resource = attributes.resource
        raise forbidden(resource.plural, resource.group, attributes.name, why)

    @staticmethod
    def _failed(hook: Interested, why: str) -> None:
        message = f'failed calling webhook "{hook.name}": {why}'
        if hook.ignores_failure:
            log.warning("%s (ignored, as its failurePolicy says)", message)
            return
        raise internal(message)

    async def close(self) -> None:
        await self._client.close()
