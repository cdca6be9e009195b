"""What an image carries: `python -m images.sbom IMAGE --debian … --python … --crates …`, in the build's container.

/sbom/IMAGE gets `sbom.cdx.json` (CycloneDX) and the licences of the crates. Those of Debian's packages and of Python's
lie beside them in the image, in /usr/share/doc/*/copyright and *.dist-info.
"""

import argparse
import importlib.metadata
import json
import shutil
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from typing import Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

OUT: Final = Path("/sbom")
_LICENCES: Final = LicenseFactory()


def debian_components(roots: list[Path]) -> Iterator[Component]:
    """From the records that `images.debian` leaves."""
    for path in sorted(path for root in roots for path in (root / "rootfs/var/lib/dpkg/status.d").iterdir()):
        record = Parser().parsestr(path.read_text())
        name, version = record["Package"], record["Version"]
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            purl=PackageURL("deb", "debian", name, version, {"arch": record["Architecture"], "distro": "debian-12"}),
            bom_ref=f"deb:{name}",
        )


def python_components(root: Path) -> Iterator[Component]:
    folders = [str(path) for path in root.glob("opt/crossfade/lib/python3.*/site-packages")]
    found = {each.metadata["Name"]: each for each in importlib.metadata.distributions(path=folders)}
    for name, distribution in sorted(found.items()):
        metadata = distribution.metadata
        given = [metadata[field] for field in ("License-Expression", "License") if field in metadata]
        licence = next(iter(given), "")
        yield _component("pypi", name, distribution.version, licence if len(licence) < 100 else "")


def crate_components(crates: Path) -> Iterator[Component]:
    for crate in json.loads((crates / "crates.json").read_text()):
        yield _component("cargo", crate["name"], crate["version"], crate["licence"])


def _component(kind: str, name: str, version: str, licence: str) -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=PackageURL(kind, None, name, version),
        bom_ref=f"{kind}:{name}@{version}",
        licenses=[_LICENCES.make_from_string(licence)] if licence else [],
    )


def bill(image: str, version: str, components: list[Component]) -> str:
    """CycloneDX 1.6; neither time nor serial number, so that the same contents give the same text."""
    root = Component(type=ComponentType.CONTAINER, name=f"crossfade/{image}", version=version, bom_ref="image")
    bom = Bom(components=components)
    bom.metadata.component = root
    bom.register_dependency(root, components)
    document = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    del document["serialNumber"]
    del document["metadata"]["timestamp"]
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="images.sbom", description=__doc__)
    parser.add_argument("image")
    parser.add_argument("--debian", type=Path, nargs="+", default=[])
    parser.add_argument("--python", type=Path)
    parser.add_argument("--crates", type=Path)
    arguments = parser.parse_args()
    components = list(debian_components(arguments.debian))
    if arguments.python is not None:
        components += python_components(arguments.python)
    if arguments.crates is not None:
        components += crate_components(arguments.crates)
    folder = OUT / arguments.image
    folder.mkdir(parents=True)
    if arguments.crates is not None:
        shutil.copytree(arguments.crates / "licences", folder / "licences")
    version = next(Path("/out").glob("crossfade-*.whl")).name.split("-")[1]
    (folder / "sbom.cdx.json").write_text(bill(arguments.image, version, components))


if __name__ == "__main__":
    main()
