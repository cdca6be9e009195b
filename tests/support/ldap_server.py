"""A slapd of Debian's for tests, on ports of its own, with a folder in place of the system's configuration."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.ports import free_ports
from tests.support.tls import issue

BASE: Final = "ou=people,dc=example,dc=test"
START_WITHIN_S: Final = 15.0
_SLAPD: Final = "/usr/sbin/slapd"
_SLAPADD: Final = "/usr/sbin/slapadd"
_ROOT: Final = "dn: dc=example,dc=test\nobjectClass: domain\n\ndn: {base}\nobjectClass: organizationalUnit\n"


class LdapServer:
    """`users` are passwords by uid. It also takes names without passwords, as directories may (RFC 4513 §5.1.2)."""

    def __init__(self, folder: Path, users: Mapping[str, str]) -> None:
        self.port, self.tls_port = free_ports(2)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir()
        (folder / "slapd.conf").write_text("\n".join(self._configuration()) + "\n")
        people = (
            f"\ndn: uid={uid},{BASE}\nobjectClass: account\nobjectClass: simpleSecurityObject\n"
            f"userPassword: {password}\n"
            for uid, password in users.items()
        )
        (folder / "users.ldif").write_text(_ROOT.format(base=BASE) + "".join(people))
        self._run(_SLAPADD, "-l", str(folder / "users.ldif"))

    @property
    def authority(self) -> Path:
        """The certificate that vouches for the server's, which names 127.0.0.1."""
        return self._folder / "ca.pem"

    def start(self) -> None:
        urls = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
        # With -d it stays in the foreground.
        command = [_SLAPD, "-d", "256", "-f", str(self._folder / "slapd.conf"), "-h", urls]
        with (self._folder / "slapd.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, "slapd does not answer"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_WITHIN_S)
            self._process = None

    def log(self) -> str:
        return (self._folder / "slapd.log").read_text()

    def binds(self, uid: str) -> int:
        """How often it was asked about a user."""
        return self.log().count(f'BIND dn="uid={uid},{BASE}" method=128')

    def _answers(self) -> bool:
        command = ["ldapwhoami", "-x", "-H", f"ldap://127.0.0.1:{self.port}"]
        return subprocess.run(command, capture_output=True, check=False, timeout=START_WITHIN_S).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [program, "-f", str(self._folder / "slapd.conf"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_WITHIN_S)
        assert done.returncode == 0, done.stderr

    def _configuration(self) -> list[str]:
        authority = issue("directory authority")
        pair = issue("directory", authority)
        for name, content in (
            ("ca.pem", authority.certificate_pem),
            ("server.pem", pair.certificate_pem),
            ("server.key", pair.key_pem),
        ):
            (self._folder / name).write_bytes(content)
        return [
            "include /etc/ldap/schema/core.schema",
            "include /etc/ldap/schema/cosine.schema",
            f"pidfile {self._folder}/slapd.pid",
            "modulepath /usr/lib/ldap",
            "moduleload back_mdb",
            "allow bind_anon_cred bind_anon_dn",
            f"TLSCACertificateFile {self._folder}/ca.pem",
            f"TLSCertificateFile {self._folder}/server.pem",
            f"TLSCertificateKeyFile {self._folder}/server.key",
            "database mdb",
            "maxsize 10485760",
            'suffix "dc=example,dc=test"',
            f"directory {self._folder}/data",
            "access to attrs=userPassword by anonymous auth by * none",
            "access to * by * read",
        ]


@contextmanager
def ldap_server(folder: Path, users: Mapping[str, str]) -> Iterator[LdapServer]:
    server = LdapServer(folder, users)
    try:
        server.start()
        yield server
    finally:
        server.stop()
