"""How secrets leave the control plane: as salted digests, never in clear."""

import hashlib


def digest(salt: bytes, secret: bytes) -> str:
    """As the policy module computes it from what a client shows."""
    return hashlib.sha256(salt + secret).hexdigest()
