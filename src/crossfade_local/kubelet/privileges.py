"""Which privileges programs of containers have, and which a securityContext asks for in vain: pure."""

from typing import Final, NamedTuple

# What container engines give to a container's root, but MKNOD.
ROOT_CAPABILITIES: Final = frozenset(
    {
        "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE",
        "NET_RAW", "SYS_CHROOT", "AUDIT_WRITE", "SETFCAP",
    }
)  # fmt: skip
# Where all containers are one user, a sidecar's own connections are told from others by a mark, which this sets.
SHARED_USER_CAPABILITIES: Final = frozenset({"NET_ADMIN"})


class Identity(NamedTuple):
    """Who a program runs as; `capabilities` bound what it can ever gain."""

    uid: int | None = 0
    """None where the machine maps a single uid: every program then runs as that one."""
    gid: int = 0
    groups: tuple[int, ...] = ()
    capabilities: frozenset[str] = ROOT_CAPABILITIES
    may_gain_privileges: bool = True
    """False: set-uid programs have no effect."""
    is_filtered: bool = False
    """System calls that programs of containers never need are refused."""
