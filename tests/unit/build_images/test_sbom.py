"""The bill of materials of an image."""

import json
from pathlib import Path

from images.sbom import bill, crate_components, debian_components, python_components


def test_bill_names_what_lies_in_the_image(tmp_path: Path) -> None:
    _debian(tmp_path / "debian", "libc6", "2.36-9+deb12u14")
    _wheel(tmp_path / "python", "Orjson", "3.11.0", "License-Expression: MPL-2.0 AND (Apache-2.0 OR MIT)")
    _wheel(tmp_path / "python", "old", "1", f"License: {'a whole licence ' * 20}")
    crates = [{"name": "mlua", "version": "0.11.0", "licence": "MIT", "folder": "/r"}]
    (tmp_path / "crates.json").write_text(json.dumps(crates))
    components = [
        *debian_components([tmp_path / "debian"]),
        *python_components(tmp_path / "python"),
        *crate_components(tmp_path),
    ]
    document = json.loads(bill("proxy", "0.1.0", components))
    assert document["metadata"]["component"]["name"] == "crossfade/proxy"
    assert {each["purl"]: each.get("licenses") for each in document["components"]} == {
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12": None,
        "pkg:pypi/orjson@3.11.0": [
            {"expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"},
        ],
        "pkg:pypi/old@1": None,
        "pkg:cargo/mlua@0.11.0": [{"license": {"id": "MIT"}}],
    }


def test_same_contents_give_the_same_text(tmp_path: Path) -> None:
    _debian(tmp_path, "zlib1g", "1")
    _debian(tmp_path, "base-files", "12")
    texts = {bill("djapp", "1", [*debian_components([tmp_path])]) for _ in range(5)}
    assert len(texts) == 1


def _debian(root: Path, name: str, version: str) -> None:
    folder = root / "rootfs/var/lib/dpkg/status.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nDescription: x\n more\n")


def _wheel(root: Path, name: str, version: str, licence: str) -> None:
    folder = root / "opt/crossfade/lib/python3.11/site-packages" / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{licence}\n")
