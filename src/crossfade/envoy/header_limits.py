"""How many headers proxies take, and of what size together."""

from typing import Final

# nginx: large_client_header_buffers 4 8k, and no limit on their number.
KONG_HEADERS_COUNT: Final = 1000
KONG_HEADERS_KB: Final = 32
CARRIED_HEADERS_COUNT: Final = KONG_HEADERS_COUNT + 28
CARRIED_HEADERS_KB: Final = 96
"""What the first of two proxies, a gateway or a sidecar, has taken, with what it adds.

HTTP/2 counts more than HTTP/1, and has no answer to what is too much.
"""
