import subprocess
from pathlib import Path

import pytest

from crossfade.cli.app import main


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["staus"], "status"),
        (["gatway", "run"], "gateway"),
        (["status", "--ouput", "json"], "--output"),
        (["up", "--htp-port=80"], "--http-port"),
        (["gateway", "ru"], "run"),
        (["completion", "bsh"], "bash"),
        (["top", "--windw", "1s"], "--window"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["up", "--detahc"], "up"),
        (["install", "gateway", "--relase", "x"], "install gateway"),
        (["status", "more"], "status"),
        (["top", "--windw", "1"], "top"),
    ],
)
def test_the_usage_shown_is_of_the_command(words: list[str], command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)
    told = capsys.readouterr().err
    assert told.startswith(f"usage: crossfade {command} ")
    assert "unrecognized arguments: " in told


def test_words_behind_two_dashes_are_no_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["top", "--", "--windw"])
    assert "argument subject: invalid choice: '--windw'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["xyzzy"], ["status", "--xyzzy"], ["status", "--output"]])
def test_nothing_is_guessed_where_nothing_is_near(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("crossfade sta", ["status"]),
        ("crossfade up --images im", ["images.yaml", "imported"]),
        ("crossfade status --data-dir im", ["imported"]),
        ("crossfade restore im", ["images.yaml", "imported"]),
    ],
)
def test_bash_completes_with_the_script(
    words: str, offered: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images.yaml").touch()
    (tmp_path / "imported").mkdir()
    main(["completion", "bash"])
    last = len(words.split()) - 1
    asked = f"COMP_WORDS=({words}); COMP_CWORD={last}; _shtab_crossfade; printf '%s\\n' ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["bash", "-c", f"{capsys.readouterr().out}\n{asked}"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert sorted(one.rstrip("/") for one in done.stdout.split()) == offered


@pytest.mark.parametrize("shell", ["bash", "fish", "tcsh", "zsh"])
def test_completion_knows_commands_and_their_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("status", "https-port", "tap"))
