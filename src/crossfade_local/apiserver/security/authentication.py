"""Who is asking: a client certificate of the cluster's CA, a service-account token, or nobody."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from crossfade_local.apiserver.security.tokens import TokenAuthority, TokenError
from crossfade_local.apiserver.wire.request import ANONYMOUS, User
from crossfade_local.apiserver.wire.status import bad_request, unauthorized

AUTHENTICATED: Final = "system:authenticated"
_EXTRA: Final = "impersonate-extra-"


def user_from_certificate(certificate: Mapping[str, Any] | None) -> User | None:
    """The user of a verified peer certificate, as `ssl` decodes it: CN is the name, each O a group."""
    if not certificate:
        return None
    name, groups = "", []
    for part in certificate.get("subject", ()):
        for key, value in part:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    return User(name, (*groups, AUTHENTICATED)) if name else None


def authenticate(certificate: Mapping[str, Any] | None, authorization: str, tokens: TokenAuthority) -> User:
    """Raises StatusError 401 for a token that is not valid."""
    user = user_from_certificate(certificate)
    if user is not None:
        return user
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return ANONYMOUS
    try:
        return tokens.verify(token.strip()).user
    except TokenError as error:
        raise unauthorized() from error


def impersonated(headers: Mapping[str, str], groups: list[str]) -> User | None:
    """The user whom the request is to be judged as, if it asks for another one than its own."""
    name = headers.get("Impersonate-User", "")
    if not name:
        uid = headers.get("Impersonate-Uid", "")
        if groups or uid:
            listed = ", ".join(f'"{group}"' for group in groups)
            said = f"[]string{{{listed}}}" if groups else "[]string(nil)"
            raise bad_request(
                f'requested &user.DefaultInfo{{Name:"", UID:"{uid}", Groups:{said}, Extra:map[string][]string(nil)}}'
                " without impersonating a user name"
            )
        return None
    found = list(groups)
    if name.startswith("system:serviceaccount:") and not groups:
        namespace = name.split(":")[2]
        found = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    if name != ANONYMOUS.name and AUTHENTICATED not in found:
        found.append(AUTHENTICATED)
    elif name == ANONYMOUS.name and "system:unauthenticated" not in found:
        found.append("system:unauthenticated")
    return User(name, tuple(found), headers.get("Impersonate-Uid", ""), _extra(headers))


def _extra(headers: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for header, value in headers.items():
        if header.lower().startswith(_EXTRA):
            name = unquote(header[len(_EXTRA) :].lower())
            found[name] = (*found.get(name, ()), value)
    return found
