"""nginx as Debian ships it: keys by a map, limits by limit_req."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.compare.contestants import Contestant, World, on_ports, program, until_answered, with_children
from benchmarks.compare.scenarios import GATEWAYS, KEY
from tests.support.ports import free_ports

_ASKED = "    if ($known = 0) { return 401; }\n"
_LOCATIONS: Final = {
    "plain": "",
    "key": _ASKED,
    "limit": "    limit_req zone=addresses burst=1000000 nodelay;\n",
    "both": f"{_ASKED}    limit_req zone=keys burst=1000000 nodelay;\n",
    "spent": f"{_ASKED}    limit_req zone=spent;\n",
}
_CONFIG: Final = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  map $http_apikey $known {{ default 0; "{key}" 1; }}
  limit_req_status 429;
  limit_req_zone $binary_remote_addr zone=addresses:1m rate=1000000r/s;
  limit_req_zone $http_apikey zone=keys:1m rate=1000000r/s;
  limit_req_zone $http_apikey zone=spent:1m rate=1r/m;
  upstream up {{
    server 127.0.0.1:{upstream};
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{plain};
    listen 127.0.0.1:{secure} ssl http2;
    ssl_certificate {certificate};
    ssl_certificate_key {private};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
{locations}  }}
}}
"""


@contextmanager
def nginx(world: World) -> Iterator[Contestant]:
    folder = world.folder / "nginx"
    folder.mkdir()
    plain, secure = free_ports(2)
    config = _CONFIG.format(
        folder=folder,
        key=KEY,
        upstream=world.upstream,
        plain=plain,
        secure=secure,
        certificate=world.certificate.certificate,
        private=world.certificate.key,
        locations="".join(
            f"    location /{name}/ {{\n{rules}    proxy_pass http://up/;\n    }}\n"
            for name, rules in _LOCATIONS.items()
        ),
    )
    (folder / "nginx.conf").write_text(config)
    with program(folder, ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]) as pid:
        until_answered(plain)
        yield Contestant(with_children(pid), on_ports(GATEWAYS, plain, secure))
