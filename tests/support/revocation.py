"""Who tells whether a certificate was revoked, as authorities run it: by the command `openssl`."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.openssl import Files, openssl
from tests.support.serving import serving


def index(folder: Path, *, good: tuple[Files, ...] = (), revoked: tuple[Files, ...] = ()) -> Path:
    """An authority's table of certificates, as `openssl ca` keeps it."""
    known = [(_serial(one), "V\t350101000000Z\t") for one in good]
    known += [(_serial(one), "R\t350101000000Z\t250101000000Z") for one in revoked]
    # No two may have the same subject.
    lines = [f"{state}\t{serial}\tunknown\t/CN={serial}\n" for serial, state in known]
    path = folder / "index.txt"
    path.write_text("".join(lines))
    return path


def _serial(files: Files) -> str:
    return openssl(f"x509 -in {files.certificate} -noout -serial").strip().removeprefix("serial=")


@contextmanager
def responder(port: int, table: Path, issuer: Files, signer: Files | None = None) -> Iterator[None]:
    """`openssl ocsp` on the port; without `signer` the issuer itself signs."""
    signer = signer or issuer
    command = f"openssl ocsp -port {port} -index {table} -CA {issuer.certificate} -ndays 1"
    command += f" -rsigner {signer.certificate} -rkey {signer.key}"
    with subprocess.Popen(command.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            assert any("waiting for" in line.lower() or "accept" in line.lower() for line in process.stdout)
            yield
        finally:
            process.terminate()


def revoked_list(folder: Path, name: str, table: Path, issuer: Files, *, hours: int = 24) -> bytes:
    """In DER. With negative `hours` it has expired."""
    (folder / "ca.conf").write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={table}\ndefault_md=sha256\n")
    path = folder / f"{name}.crl"
    times = f"-crlhours {hours}" if hours > 0 else "-crl_lastupdate 20200101000000Z -crl_nextupdate 20200102000000Z"
    command = f"ca -gencrl -config {folder / 'ca.conf'} -keyfile {issuer.key} -cert {issuer.certificate} {times}"
    openssl(f"{command} -out {path}")
    openssl(f"crl -in {path} -outform DER -out {path}.der")
    return Path(f"{path}.der").read_bytes()


@contextmanager
def pages(port: int, found: dict[str, bytes], asked: list[str]) -> Iterator[None]:
    """What `found` has by path; paths are noted as they are asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = found.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    with serving(server):
        yield
