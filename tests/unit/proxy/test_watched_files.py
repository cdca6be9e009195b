"""What the kubelet writes is what Envoy watches, in its own form."""

import json
from pathlib import Path

import pytest

from crossfade.proxy.watched_files import PLACE, ControlPlaneFiles, UnreadableError, control_plane_files


def files(folder: Path, ca_pem: str | None = "OLD") -> ControlPlaneFiles:
    return control_plane_files(folder, ca_pem=ca_pem, ca_file=folder / "ca.crt", token=folder / "token")


def trusted(text: str) -> str:
    (secret,) = json.loads(text)["resources"]
    found: str = secret["validation_context"]["trusted_ca"]["inline_string"]
    return found


@pytest.mark.parametrize(("content", "expected"), [(None, "OLD"), ("", "OLD"), (" ", "OLD"), ("NEW\n", "NEW")])
def test_who_is_trusted_is_what_the_pod_was_told_unless_the_file_tells_more(
    content: str | None, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    if content is not None:
        (tmp_path / "ca.crt").write_text(content)
    found = files(tmp_path)
    found.write()
    assert trusted((tmp_path / "authority.json").read_text()) == expected
    assert found.targets == (str(tmp_path / "authority.json"), str(tmp_path / "token.json"))
    assert {Path(str(target)).stat().st_mode & 0o777 for target in found.targets} == {0o600}


def test_the_launcher_is_told_where_a_new_text_goes(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    authority, token = files(tmp_path).for_launcher
    assert authority[:2] == (str(tmp_path / "ca.crt"), str(tmp_path / "authority.json"))
    assert token[:2] == (str(tmp_path / "token"), str(tmp_path / "token.json"))
    assert trusted(authority[2]) == PLACE
    files(tmp_path).write()
    # So that it finds nothing to write at its first look.
    assert (tmp_path / "token.json").read_text() == token[2].replace(PLACE, "t0ken")


def test_a_plain_connection_trusts_nobody(tmp_path: Path) -> None:
    assert files(tmp_path, ca_pem=None).targets[0] is None


def test_what_is_never_renewed_is_not_looked_at(tmp_path: Path) -> None:
    found = control_plane_files(tmp_path, ca_pem="OLD", ca_file=None, token=None)
    found.write()
    assert trusted((tmp_path / "authority.json").read_text()) == "OLD"
    assert list(found.for_launcher) == []


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b"\xff", "no text")])
def test_a_token_that_was_never_there_is_an_error(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(UnreadableError, match=reason):
        files(tmp_path).write()
