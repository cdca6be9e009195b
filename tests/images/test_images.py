"""What the images carry, and that their programs run as a cluster runs them."""

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Final

import pytest
from images.sizes import BESIDE_ENVOY, LIMITS

from crossfade import __version__
from tests.images.containers import Image, unpacked

FOLDER: Final = Path(os.environ.get("CROSSFADE_IMAGES", "build/images"))
NAMES: Final = ("controller", "proxy", "proxy-init", "djapp")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    return {name: unpacked(FOLDER / f"{name}.tar", tmp_path_factory.mktemp(name)) for name in NAMES}


@pytest.mark.parametrize("name", ["controller", "proxy"])
def test_program_tells_its_version(images: dict[str, Image], name: str) -> None:
    done = images[name].run("--version", entry=images[name].config["Entrypoint"][:-1])
    assert (done.stdout, done.stderr) == (f"crossfade {__version__}\n", "")


def test_proxy_has_an_envoy_that_starts(images: dict[str, Image]) -> None:
    [envoy] = [path for path in images["proxy"].files if path.match("envoy/_bin/envoy")]
    done = images["proxy"].run("--version", entry=[f"/{envoy}"])
    assert "/1.40.0/" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("name", "unwanted"),
    [
        ("proxy", ("grpc", "kubectl*", "crossfade_local", "crossfade_kube", "libssl.so*", "pip", "apt*", "dpkg")),
        ("controller", ("kubectl*", "crossfade_local", "demo", "envoy/_bin", "pip", "sh", "bash", "apt*", "dpkg")),
        ("proxy-init", ("crossfade", "libssl.so*", "pip", "sh", "bash", "apt*", "dpkg")),
        ("djapp", ("site-packages", "libssl.so*", "pip", "sh", "bash", "apt*", "dpkg")),
    ],
)
def test_image_lacks(images: dict[str, Image], name: str, unwanted: tuple[str, ...]) -> None:
    # A folder that only a package's record or licence lies in is none of these.
    records = ("usr/share/", "var/lib/dpkg/status.d")
    files = [path for path in images[name].files if not path.as_posix().startswith(records) and path.name != "dpkg"]
    assert [path for path in files for pattern in unwanted if path.match(pattern)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_file_is_for_others_to_write_or_gives_rights(images: dict[str, Image], name: str) -> None:
    root = images[name].root
    odd = []
    for path in images[name].files:
        mode = (root / path).lstat().st_mode
        is_open = bool(mode & stat.S_IWOTH) and not stat.S_ISLNK(mode) and path.as_posix() not in {"tmp", "var/tmp"}
        if is_open or (mode & (stat.S_ISUID | stat.S_ISGID)):
            odd.append(path)
    assert odd == []


@pytest.mark.parametrize("name", NAMES)
def test_each_package_is_named_with_its_licence(images: dict[str, Image], name: str) -> None:
    root = images[name].root
    document = json.loads((root / "usr/share/doc/crossfade/sbom.cdx.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    packages = {each["name"] for each in document["components"] if each["purl"].startswith("pkg:deb/")}
    assert packages == {path.name for path in (root / "var/lib/dpkg/status.d").iterdir()}
    assert [each for each in packages if not (root / "usr/share/doc" / each / "copyright").exists()] == []
    site = next(iter(root.glob("opt/crossfade/lib/python3*/site-packages")), None)
    wheels = {path.name.split("-")[0].lower() for path in site.glob("*.dist-info")} if site is not None else set()
    named = {each["name"].lower() for each in document["components"] if each["purl"].startswith("pkg:pypi/")}
    assert {each.replace("-", "_").replace(".", "_") for each in named} == {each.replace(".", "_") for each in wheels}


@pytest.mark.parametrize("name", ["proxy", "controller"])
def test_crates_of_the_module_are_named_with_their_licences(images: dict[str, Image], name: str) -> None:
    folder = images[name].root / "usr/share/doc/crossfade"
    document = json.loads((folder / "sbom.cdx.json").read_text())
    crates = [each for each in document["components"] if each["purl"].startswith("pkg:cargo/")]
    assert {"rustls", "mlua", "aws-lc-sys"} <= {each["name"] for each in crates}
    assert [each["name"] for each in crates if not each["licenses"]] == []


def test_sizes(images: dict[str, Image]) -> None:
    sizes = {
        name: sum((image.root / path).lstat().st_size for path in image.files if not (image.root / path).is_dir())
        for name, image in images.items()
    }
    [envoy] = [images["proxy"].root / path for path in images["proxy"].files if path.match("envoy/_bin/envoy")]
    assert sizes["proxy"] <= envoy.stat().st_size + BESIDE_ENVOY
    assert sizes["proxy-init"] <= LIMITS["proxy-init"]


def test_init_container_writes_its_rules_once(images: dict[str, Image]) -> None:
    env = {
        "APPMESH_START_ENABLED": "1",
        "APPMESH_IGNORE_UID": "1337",
        "APPMESH_ENVOY_INGRESS_PORT": "15000",
        "APPMESH_ENVOY_EGRESS_PORT": "15001",
        "APPMESH_APP_PORTS": "9080",
        "APPMESH_EGRESS_IGNORED_IP": "169.254.169.254",
    }
    image = images["proxy-init"]
    for _ in range(2):
        done = image.run(env=env)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rules = image.run("-t", "nat", "-S", entry=["iptables"]).stdout.splitlines()
    assert "-A APPMESH_INGRESS -p tcp -m multiport --dports 9080 -j REDIRECT --to-ports 15000" in rules
    assert "-A APPMESH_EGRESS -m owner --uid-owner 1337 -j RETURN" in rules
    assert rules.count("-A OUTPUT -p tcp -m addrtype ! --dst-type LOCAL -j APPMESH_EGRESS") == 1
    image.run("-t", "nat", "-F", entry=["iptables"])


def test_init_container_says_what_is_wrong(images: dict[str, Image]) -> None:
    done = images["proxy-init"].run(env={"APPMESH_START_ENABLED": "1"})
    assert (done.returncode, done.stderr) == (2, "proxy-init: APPMESH_ENVOY_INGRESS_PORT is not set\n")


def test_hooks_of_pods_find_their_programs(images: dict[str, Image]) -> None:
    """Of ours and of Kong's charts."""
    script = "mkdir=no; sleep 0; cat /etc/passwd; rm -vrf /tmp/pids; kill -0 $$"
    done = images["proxy"].run("-c", script, entry=["/bin/sh"])
    assert done.returncode == 0, done.stderr
    assert "proxy:x:1337:" in done.stdout


@pytest.mark.parametrize("path", ["/controller", "/kong-ingress-controller"])
def test_programs_that_charts_name_start(images: dict[str, Image], path: str) -> None:
    done = images["controller"].run("--kubeconfig", "/none", entry=[path])
    assert done.returncode == 1
    assert done.stderr.startswith("crossfade controller: ")
    assert "Traceback" not in done.stderr


def test_program_kong_of_charts_starts(images: dict[str, Image]) -> None:
    done = images["proxy"].run("-c", "kong version && ! kong health", entry=["/bin/sh"])
    assert (done.returncode, done.stdout) == (0, f"Crossfade {__version__}, in Kong's place\n"), done.stderr


@pytest.mark.parametrize("name", ["controller", "proxy", "djapp"])
def test_user_is_not_root_and_root_file_system_read_only(images: dict[str, Image], name: str) -> None:
    script = "import os, sys; sys.exit(os.getuid() == 0 or os.getuid() != os.getgid())"
    assert images[name].run("-c", script, entry=["/usr/bin/python3"]).returncode == 0
    done = images[name].run("-c", "open('/opt/x', 'w')", entry=["/usr/bin/python3"])
    assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr


def test_archives_can_be_read_by_others() -> None:
    for name in NAMES:
        source = f"oci-archive:{FOLDER / name}.tar:{__version__}"
        done = subprocess.run(["skopeo", "inspect", source], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
