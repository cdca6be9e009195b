"""What contestants are configured with, as far as it can be judged without starting them."""

from benchmarks.compare import names
from benchmarks.compare.contestants import Contestant, on_ports
from benchmarks.compare.crossfade import manifests
from benchmarks.compare.gateways import STARTED_BY
from benchmarks.compare.mesh import HOP_SHAPES, WAYS
from benchmarks.compare.scenarios import ALL, GATEWAYS, MESH

from crossfade.compile.gateway.compiler import compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.memo import Memo
from crossfade.gateway_files.documents import documents
from crossfade.gateway_files.objects import objects_of
from crossfade.gateway_files.reading import gateway_reading
from crossfade.gateway_files.schemas import Schemas
from crossfade.install.gateway import gateway_crd
from crossfade.store.snapshot import Snapshot


def test_the_gateways_manifests_have_nothing_to_complain_of() -> None:
    reading = gateway_reading(Schemas(gateway_crd))
    found = [one for document in documents(manifests(9)) for one in objects_of(document.text, reading)]
    assert [problem for one in found for problem in one.problems] == []
    compiled = compile_gateway(Snapshot.of([one.item for one in found]), CompileSettings(), Memo())
    assert [str(one) for one in compiled.diagnostics] == []


def test_everybody_has_a_name_on_the_page() -> None:
    assert set(names.GATEWAYS) == set(STARTED_BY)
    assert set(names.HOP) == set(HOP_SHAPES)
    assert set(names.PATH) == {*WAYS, "bare"}


def test_ratios_are_to_somebody_who_takes_part() -> None:
    assert {name: scenario.base in names.of(name) for name, scenario in ALL.items()} == dict.fromkeys(ALL, True)


def test_only_mesh_scenarios_have_contestants_of_their_own() -> None:
    assert set(names.OF_SCENARIO) == set(MESH)


def test_what_is_asked_over_tls_goes_to_the_port_for_tls() -> None:
    contestant = Contestant((1,), on_ports(GATEWAYS, 80, 443))
    urls = {name: contestant.url(name, scenario) for name, scenario in GATEWAYS.items()}
    assert urls["plain"] == "http://127.0.0.1:80/plain/x"
    assert urls["tls"] == "https://127.0.0.1:443/plain/x"
    assert urls["http2"] == "https://127.0.0.1:443/plain/x"
    assert urls["10kb"] == "http://127.0.0.1:80/plain/10k"
