"""Certificates as users make them: by the command `openssl`."""

import subprocess
from pathlib import Path
from typing import NamedTuple

FOR_CLIENTS = "extendedKeyUsage=clientAuth"
OF_AUTHORITIES = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign"


class Files(NamedTuple):
    """In PEM."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> str:
        return self.certificate.read_text()


def root(folder: Path, name: str) -> Files:
    files = _with_key(folder, name)
    openssl(f"req -x509 -new -key {files.key} -days 2 -out {files.certificate} -subj", f"/O=Example, Ltd./CN={name}")
    return files


def issued(
    folder: Path, file: str, issuer: Files, *, name: str = "ann", extensions: str | None = FOR_CLIENTS, days: int = 1
) -> Files:
    """Without `extensions` of X.509's first version. With negative `days` it has expired."""
    files = _with_key(folder, file)
    request = folder / f"{file}.csr"
    openssl(f"req -new -key {files.key} -out {request} -subj", f"/O=Example, Ltd./CN={name}")
    command = (
        f"x509 -req -in {request} -CA {issuer.certificate} -CAkey {issuer.key} -days {days} -out {files.certificate}"
    )
    if extensions is not None:
        (folder / f"{file}.ext").write_text(extensions)
        command += f" -extfile {folder / f'{file}.ext'}"
    openssl(f"{command} -CAcreateserial")
    return files


def together(folder: Path, file: str, first: Files, *others: Files) -> Files:
    """What a client shows: its own certificate, and those that it sends along."""
    chain = folder / f"{file}.pem"
    chain.write_text("".join(one.pem for one in (first, *others)))
    return Files(chain, first.key)


def openssl(command: str, *more: str) -> str:
    done = subprocess.run(["openssl", *command.split(), *more], capture_output=True, text=True, check=True, input="")
    return done.stdout


def _with_key(folder: Path, name: str) -> Files:
    files = Files(folder / f"{name}.crt", folder / f"{name}.key")
    openssl(f"ecparam -name prime256v1 -genkey -noout -out {files.key}")
    return files
