"""What people are told: file and line, each thing once, and when it is in order again."""

from pathlib import Path

import pytest

from crossfade.compile.diagnostics import Severity
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.envoy.settings import EnvoyOptions
from crossfade.gateway_files.message import Message
from crossfade.gateway_files.schemas import Schemas
from crossfade.gateway_files.telling import Telling
from crossfade.gateway_files.work import Work
from crossfade.install.gateway import gateway_crd
from tests.unit.gateway_files.manifests import INGRESS, PLUGIN, SERVICE


class Told:
    """One directory and what is said about it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.telling = Telling(str(folder))
        self.work = Work(folder, CompileSettings(), EnvoyOptions(), Schemas(gateway_crd))
        self.is_first = True

    def news(self) -> list[Message]:
        outcome = self.work.first() if self.is_first else self.work.step(None)
        self.is_first = False
        assert outcome is not None
        return self.telling.news(outcome.state, outcome.built.diagnostics)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_each_thing_has_file_and_line_and_is_said_once(told: Told) -> None:
    file = told.folder / "all.yaml"
    file.write_text(f"{SERVICE}---\n{INGRESS % '/~/('}---\n{PLUGIN % '0'}")
    news = told.news()
    (wrong_path,) = (message for message in news if "spec.rules" in message.text)
    assert wrong_path.where == f"{file}:21"
    (refused,) = (message for message in news if "config.minute" in message.text)
    assert refused.where == f"{file}:27"
    assert refused.text.startswith("KongPlugin default/limit, config.minute: ")
    assert "answered 503" in refused.text
    file.write_text(f"# moved\n{file.read_text()}")
    assert told.news() == []
    file.write_text(f"{SERVICE}---\n{INGRESS % '/x'}---\n{PLUGIN % '3'}")
    cured = told.news()
    assert Message(f"{file}:23", "KongPlugin default/limit is in order again") in cured
    assert all(message.severity is None for message in cured)
    assert told.telling.wrong_count == 0


def test_a_warning_is_cured_too(told: Told) -> None:
    (told.folder / "all.yaml").write_text(f"{SERVICE}---\n{INGRESS % '/x'}---\n{PLUGIN % 3}")
    told.news()
    file = told.folder / "all.yaml"
    file.write_text(file.read_text().replace("kind: KongPlugin", "kind: KongPlugin\nconfigs: {}"))
    (message,) = told.news()
    assert (message.severity, message.hint) == (Severity.WARNING, "did you mean config?")
    file.write_text(file.read_text().replace("\nconfigs: {}", ""))
    (message,) = told.news()
    assert (message.severity, message.text) == (None, "KongPlugin default/limit is in order again")


def test_a_plugin_that_only_closes_is_spoken_of_once(told: Told) -> None:
    (told.folder / "limit.yaml").write_text(PLUGIN % 3 + "disabled: perhaps\n")
    (message,) = told.news()
    assert message.text.startswith("KongPlugin default/limit, disabled: ")
    assert told.telling.wrong_count == 1


def test_a_file_in_order_again_is_named(told: Told) -> None:
    file = told.folder / "all.yaml"
    file.write_text(f"{SERVICE}---\na: [")
    (message,) = told.news()
    assert message.where == f"{file}:13"
    assert message.severity is Severity.ERROR
    file.write_text(SERVICE)
    assert told.news() == [Message(str(file), "it is in order again")]


def test_what_is_gone_is_not_in_order_again(told: Told) -> None:
    file = told.folder / "limit.yaml"
    file.write_text(PLUGIN % '"x"')
    told.news()
    file.write_text(SERVICE)
    assert told.news() == []


def test_values_of_secrets_stay_out_of_messages(told: Told) -> None:
    (told.folder / "a.yaml").write_text("apiVersion: v1\nkind: Secret\nstringData: {key: hunter2\n")
    (told.folder / "b.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {key: hunter2}\n")
    news = told.news()
    assert len(news) == 2
    assert "hunter2" not in str(news)


def test_a_directory_that_comes_back_is_in_order_again(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    told = Told(folder)
    (folder / "web.yaml").write_text(SERVICE)
    assert told.news() == []
    folder.rename(tmp_path / "away")
    (message,) = told.news()
    assert message.where == str(folder)
    assert "what it held stays in use" in message.text
    (tmp_path / "away").rename(folder)
    assert told.news() == [Message(str(folder), "it is in order again")]
