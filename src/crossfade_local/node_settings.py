"""What `up` tells the node, as one JSON argument."""

from msgspec import Struct, field


class NodeSettings(Struct, frozen=True, kw_only=True):
    """Descriptors are inherited; `resolver` is a UDP socket connected to the machine's own resolver, `sockets` an open
    /proc/net/unix of the machine's network.

    `images` names the user's catalogue; `synchronous` is how durable a write is (normal, full);
    `capacity` holds the quantities that the node shows in place of the machine's.
    """

    data_dir: str
    api_descriptor: int
    control_descriptor: int
    listeners: dict[str, int]
    resolver_descriptor: int | None = None
    sockets_descriptor: int | None = None
    images: str | None = None
    synchronous: str = "normal"
    egress: bool = True
    capacity: dict[str, str] = field(default_factory=dict)
    shared_user_env: dict[str, str] = field(default_factory=dict)
    shared_user_env_by_uid: dict[int, dict[str, str]] = field(default_factory=dict)
