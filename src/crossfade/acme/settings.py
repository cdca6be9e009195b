"""The plugin's configuration as the control plane needs it."""

import msgspec
from msgspec import Struct

from crossfade_kube.meta import JsonObject


class AcmeSettings(Struct, frozen=True):
    """As in a plugin's `config`, with its defaults; `account_key` is PEM."""

    account_email: str
    api_uri: str
    tos_accepted: bool
    cert_type: str
    rsa_key_size: int
    renew_threshold_days: float
    fail_backoff_minutes: float
    account_key: str | None = None
    eab_kid: str | None = None
    eab_hmac_key: str | None = None
    preferred_chain: str | None = None

    def __repr__(self) -> str:
        return f"AcmeSettings({self.api_uri}, ***)"


def settings_of(config: JsonObject) -> AcmeSettings:
    """Of a configuration that the plugin's schema has accepted."""
    numbers = {name: float(config[name]) for name in ("renew_threshold_days", "fail_backoff_minutes")}
    account_key = (config["account_key"] or {}).get("key_id")
    return msgspec.convert({**config, **numbers, "account_key": account_key}, AcmeSettings)
