"""ldap-auth for the policy module: its configuration as it stands."""

from typing import Final

from crossfade.compile.policies.ldap_auth.schema import SCHEMA
from crossfade.compile.policies.plugin import Plugin

PLUGIN: Final = Plugin(name="ldap-auth", priority=1200, takes_consumer=False, schema=SCHEMA)
