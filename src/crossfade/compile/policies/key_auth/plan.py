"""What the policy module is told about a key-auth instance: its configuration as it stands, defaults included."""

from typing import Final

from crossfade.compile.policies.definition import PluginDefinition
from crossfade.compile.policies.key_auth.config import validate
from crossfade_kube.meta import JsonObject


def module_config(config: JsonObject) -> JsonObject:
    return config


KEY_AUTH: Final = PluginDefinition(
    name="key-auth", priority=1250, takes_consumer=False, validate=validate, module_config=module_config
)
