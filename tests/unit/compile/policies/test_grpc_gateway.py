"""grpc-gateway: what .proto files say, where they are found, and what is told of those that are wrong."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.compile.policies.grpc_gateway.bindings import Transcoding, transcoding
from crossfade.compile.policies.grpc_gateway.files import Finder
from crossfade.compile.policies.grpc_gateway.linking import LARGEST, MOST_FILES
from crossfade.compile.policies.grpc_gateway.tokens import ProtoError
from crossfade.compile.policies.plugin import ModuleStep, ProtoFile
from crossfade.compile.policies.registry import Accepted, judge_plugin, module_problem

SERVICE: Final = """\
syntax = "proto3";
package shop;
service Shop { rpc Do (M) returns (M) { option (google.api.http) = { %s }; } }
message M { string name = 1; %s }
"""
ONE_METHOD: Final = "service %s { rpc Do (%s) returns (%s) { option (google.api.http) = { get: '%s' }; } }"


def found(files: Mapping[str, str], path: str = "a.proto") -> Transcoding:
    """What the policy module is told, which takes it."""
    made = transcoding(path, Finder({"": dict(files)}, ("",)).find)
    assert module_problem("grpc-gateway", ModuleStep(made.config)) is None
    return made


def of_rule(rule: str, fields: str = "") -> Transcoding:
    return found({"a.proto": SERVICE % (rule, fields)})


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ({}, (ModuleStep({}),)),
        ({"proto": "/a/b.proto"}, (ModuleStep({"bindings": []}), ProtoFile("/a/b.proto"))),
    ],
)
def test_steps(config: dict[str, Any], steps: tuple[object, ...]) -> None:
    verdict = judge_plugin("grpc-gateway", config)
    assert isinstance(verdict, Accepted)
    assert verdict.steps == steps
    assert len(verdict.warnings) == (not config)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('get: "/v1/a"', [("get", "/v1/a", [], None)]),
        ("get: '/v1' '/a';", [("get", "/v1/a", [], None)]),
        ('get: "/v1/{name}", body: "*"', [("get", "/v1/([^/]+)", ["name"], "*")]),
        ('put: "/v1/{name=a/*}/{b.c=**}"', [("put", "/v1/(a/[^/]+)/(.+)", ["name", "b.c"], None)]),
        ('delete: "/v1.0/*:undo(1)"', [("delete", r"/v1\.0/[^/]+:undo\(1\)", [], None)]),
        ('patch: "/a" post: "/b"', [("post", "/b", [], None), ("patch", "/a", [], None)]),
        ('get: "/ä-~#"', [("get", r"/ä\-\~\#", [], None)]),
        (
            'get: "/a" additional_bindings { post: "/b" body: "name" } additional_bindings: { get: "/c" }',
            [("get", "/a", [], None), ("post", "/b", [], "name"), ("get", "/c", [], None)],
        ),
        ('additional_bindings: [{ get: "/b" }, { get: "/c" }]', [("get", "/b", [], None), ("get", "/c", [], None)]),
    ],
)
def test_bindings(rule: str, expected: list[tuple[str, str, list[str], str | None]]) -> None:
    made = of_rule(rule)
    told = [(each["method"], each["regex"], each["variables"], each.get("body")) for each in made.config["bindings"]]
    assert told == expected
    assert {(each["path"], each["input"], each["output"]) for each in made.config["bindings"]} == {
        ("/shop.Shop/Do", 0, 0)
    }


def test_parts_of_a_rule_may_stand_alone() -> None:
    text = (SERVICE % ("", "")).replace(
        "option (google.api.http) = {  };",
        'option (google.api.http).post = "/a"; option (.google.api.http).body = "*";',
    )
    (binding,) = found({"a.proto": text}).config["bindings"]
    assert (binding["regex"], binding["body"]) == ("/a", "*")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int32 a = 2;", {"scalar": "int32"}),
        ("repeated int32 a = 2;", {"scalar": "int32", "repeated": True, "packed": True}),
        ("repeated int32 a = 2 [packed = false];", {"scalar": "int32", "repeated": True, "packed": False}),
        ("repeated string a = 2;", {"scalar": "string", "repeated": True, "packed": False}),
        ("map<string, .shop.M> a = 2;", {"message": 0, "key": "string"}),
        (
            "repeated M a = 2 [lazy = true, (x.y).z = {a: 1 b: [1, -2]}];",
            {"message": 0, "repeated": True, "packed": False},
        ),
        ("oneof o { option (x) = 1; M a = 2; }", {"message": 0, "oneof": "o"}),
        ("optional bool a = 2;", {"scalar": "bool", "explicit": True}),
        ("enum E { option a = true; X = 0; reserved 5 to 9; Y = 0x1; Z = -1 [b = true]; } E a = 2;", {"enum": 0}),
        ("message N { message O { } O o = 1; } N.O a = 2;", {"message": 1}),
        (
            "reserved 5, 7 to max; reserved 'x'; extensions 9 to 99; /* ; */ extend Q { int32 q = 3; } int32 a = 2;",
            {"scalar": "int32"},
        ),
        ("google.protobuf.Timestamp a = 2;", {"message": 1}),
        ("int32 a = 010", {"scalar": "int32", "number": 8}),
    ],
)
def test_fields(text: str, expected: dict[str, Any]) -> None:
    files = {"a.proto": SERVICE % ('get: "/"', text)}
    if "google" in text:
        files["a.proto"] = files["a.proto"].replace("service", 'import "google/protobuf/timestamp.proto";\nservice', 1)
    config = found(files).config
    assert config["messages"][0]["fields"][-1] == {"name": "a", "number": 2, **expected}
    if "enum" in expected:
        assert config["enums"] == [[["X", 0], ["Y", 1], ["Z", -1]]]


def test_names_are_looked_up_from_the_inside() -> None:
    more = "message N { } message P { message N { int32 x = 1; } N a = 1; .shop.N b = 2; }"
    config = found({"a.proto": SERVICE % ('get: "/"', "P p = 2;") + more}).config
    names = [message["name"] for message in config["messages"]]
    assert names == ["shop.M", "shop.P", "shop.P.N", "shop.N"]


def test_what_no_method_needs_is_left_out() -> None:
    config = found({"a.proto": SERVICE % ('get: "/"', "") + "message Big { } enum E { A = 0; }"}).config
    assert [message["name"] for message in config["messages"]] == ["shop.M"]
    assert config["enums"] == []


def test_kongs_own_example_is_read() -> None:
    """No import, no semicolon behind the option, two methods in one rule."""
    text = """
        syntax = "proto2";
        package hello;
        service HelloService {
          rpc SayHello(HelloRequest) returns (HelloResponse) {
            option (google.api.http) = {
              get: "/v1/messages/{name}"
              additional_bindings {
                get: "/v1/messages/legacy/{name=**}"
              }
              post: "/v1/messages/"
              body: "*"
            }
          }
        }
        message HelloRequest { required string name = 1; }
        message HelloResponse { optional string message = 1; }
    """
    made = found({"a.proto": text}).config
    assert [each["regex"] for each in made["bindings"]] == [
        "/v1/messages/([^/]+)",
        "/v1/messages/",
        "/v1/messages/legacy/(.+)",
    ]
    assert not made["messages"][0]["defaults"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.proto", "a.proto"),
        ("/usr/local/kong/protos/a.proto", "a.proto"),
        ("./x/../a.proto", "a.proto"),
        ("shop/v1/a.proto", "shop.v1.a.proto"),
        ("/x/v1/a.proto", "v1.a.proto"),
        ("b.proto", None),
        ("google/protobuf/empty.proto", "google/protobuf/empty.proto"),
        ("", None),
        ("/" * 100_000, None),
    ],
)
def test_files_are_found_by_the_end_of_their_path(path: str, name: str | None) -> None:
    files = {"shop": {"a.proto": "1", "v1.a.proto": "2"}, "kong": {"a.proto": "3", "shop.v1.a.proto": "4"}}
    first = Finder({"shop": files["shop"] | {"shop.v1.a.proto": "5"}, "kong": files["kong"]}, ("shop", "kong"))
    seen = first.find(path)
    assert (seen and seen.name) == name


def test_the_plugins_own_namespace_comes_first() -> None:
    files = {"shop": {"a.proto": "1"}, "kong": {"a.proto": "2", "b.proto": "3"}, "other": {"c.proto": "4"}}
    finder = Finder(files, ("shop", "kong"))
    assert [seen and seen.text for seen in map(finder.find, ("a.proto", "b.proto", "c.proto"))] == ["1", "3", None]
    assert finder.known() == ["a.proto", "b.proto"]


def many(count: int) -> dict[str, str]:
    """Files that import each other in a chain."""
    return {f"f{number}.proto": f'import "f{number + 1}.proto";' for number in range(count)}


IMPORTS: Final = "".join(f'import "f{number}.proto";\n' for number in range(MOST_FILES))
WRONG: Final = [
    ({}, "a.proto is not found"),
    ({"a.proto": 'syntax = "proto4";'}, "a.proto:1: the syntax is proto2 or proto3, not 'proto4'"),
    ({"a.proto": 'edition = "2023";'}, "a.proto:1: editions are not read; write the file in proto3 or proto2"),
    ({"a.proto": "\n\nmessage M {"}, "a.proto:3: expected a field instead of the end of the file"),
    ({"a.proto": "message M {\n string a = ;\n}"}, "a.proto:2: expected a field's number instead of ';'"),
    ({"a.proto": "message M { string a = 0; }"}, "a.proto:1: a field's number is from 1 to 536870911, not '0'"),
    ({"a.proto": "message M { string a = 1e3; }"}, "a.proto:1: expected a field's number instead of '1e3'"),
    ({"a.proto": "message M { string a = 089; }"}, "a.proto:1: expected a field's number instead of '089'"),
    ({"a.proto": "message M { string a = 1; int32 a = 2; }"}, "a.proto:1: there is a field a already"),
    ({"a.proto": "message M { string a = 1; int32 b = 1; }"}, "a.proto:1: there is a field of number 1 already"),
    ({"a.proto": "message M {} enum M { A = 0; }"}, "a.proto:1: there is a type M already, in a.proto"),
    (
        {"a.proto": "message M { optional group G = 1 { } }"},
        "a.proto:1: groups are not read; write a message and a field of it",
    ),
    (
        {"a.proto": "message M { map<double, string> a = 1; }"},
        "a.proto:1: a map's key is a whole number, a bool or a string, not 'double'",
    ),
    (
        {"a.proto": "enum E { A = 4294967296; }"},
        "a.proto:1: a value's number is from -2147483648 to 2147483647, not '4294967296'",
    ),
    ({"a.proto": "/* open"}, "a.proto:1: this comment has no end"),
    ({"a.proto": 'import "open\n"'}, "a.proto:1: this string has no end on its line"),
    ({"a.proto": "message \x00"}, "a.proto:1: '\\x00' has no meaning here"),
    ({"a.proto": 'import "\\ud800";'}, "a.proto:1: '\\\\ud800' is no character"),
    ({"a.proto": "words"}, "a.proto:1: 'words' begins no statement"),
    ({"a.proto": "}"}, "a.proto:1: expected a statement instead of '}'"),
    ({"a.proto": "extend M { "}, "a.proto:1: expected ';' or '}' instead of the end of the file"),
    ({"a.proto": "\nimport 'b.proto';"}, "a.proto:2: the imported b.proto is not found"),
    (
        {"a.proto": "import 'b.proto';", "b.proto": "import 'a.proto';"},
        "a.proto imports itself: a.proto → b.proto → a.proto",
    ),
    ({"a.proto": "import 'f0.proto';", **many(100)}, "f63.proto: files import each other more than 64 deep"),
    (
        {"a.proto": IMPORTS, **{f"f{number}.proto": "" for number in range(MOST_FILES)}},
        f"f{MOST_FILES - 1}.proto: with this file there are more than {MOST_FILES} files",
    ),
    ({"a.proto": " " * (LARGEST + 1)}, f"a.proto: with this file there are more than {LARGEST} characters"),
    ({"a.proto": "message M { " * 40}, "a.proto:1: messages lie in each other more than 32 deep"),
    ({"a.proto": "option x = " + "{ a: " * 40}, "a.proto:1: values lie in each other more than 32 deep"),
    (
        {"a.proto": f"package {'a' * 513}; message M {{}}"},
        "a.proto:1: with its package this name has more than 512 characters",
    ),
    ({"a.proto": SERVICE % ('get: "/"', "Nope n = 2;")}, "a.proto:4: there is no type Nope"),
    ({"a.proto": ONE_METHOD % ("S", "A", "B", "/")}, "a.proto:1: there is no type A"),
    (
        {"a.proto": "enum E { A = 0; }" + ONE_METHOD % ("S", "E", "E", "/")},
        "a.proto:1: E is an enum; a method takes and returns messages",
    ),
    ({"a.proto": SERVICE % ('get: "/{name"', "")}, "a.proto:3: the path /{name has a brace too many"),
    ({"a.proto": SERVICE % ('get: "/{a-b}"', "")}, "a.proto:3: {a-b} in the path /{a-b} names no field"),
    (
        {"a.proto": SERVICE % ("get: {}", "")},
        "a.proto:3: the option google.api.http of Do has something else where a text belongs",
    ),
    ({"a.proto": SERVICE % ("additional_bindings: 1", "")}, "a.proto:3: an additional binding of Do is no message"),
    (
        {"a.proto": "service S { rpc Do (A) returns (A) { option (google.api.http) = 1; } }"},
        "a.proto:1: the option google.api.http is a message: {get: …}",
    ),
    ({"a.proto": "service S { message M {} }"}, "a.proto:1: expected 'rpc' or 'option' instead of 'message'"),
]


@pytest.mark.parametrize(("files", "reason"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told_with_its_line(files: dict[str, str], reason: str) -> None:
    with pytest.raises(ProtoError) as problem:
        found(files)
    assert str(problem.value) == reason


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('get: "/" custom { kind: "HEAD" path: "/" }', "a.proto:3: custom of Do has no effect"),
        ('get: "/" response_body: "name"', "a.proto:3: response_body of Do has no effect"),
        ("", "no method of a.proto has the option google.api.http: every request but OPTIONS is answered 400"),
    ],
)
def test_what_has_no_effect_is_told(rule: str, expected: str) -> None:
    assert expected in of_rule(rule).warnings


def test_services_of_imported_files_come_first() -> None:
    files = {
        "a.proto": "import 'b.proto';" + ONE_METHOD % ("A", "M", "M", "/a"),
        "b.proto": "message M {}" + ONE_METHOD % ("B", "M", "M", "/b"),
    }
    assert [each["path"] for each in found(files).config["bindings"]] == ["/B/Do", "/A/Do"]


@pytest.mark.parametrize(
    "text",
    [
        "message M { " + "".join(f"M f{number} = {number}; " for number in range(1, 30_000)) + "}",
        "".join(f"message M{number} {{}} " for number in range(30_000)),
        "/" + "*" * 500_000,
        '"' * 500_001,
        "a." * 250_000,
        "(" * 500_000,
        "extend " * 100_000,
        "\n" * 1_000_000,
    ],
    ids=range(8),
)
def test_long_files_take_little_time(text: str) -> None:
    began = time.process_time()
    with suppress(ProtoError):
        transcoding("a.proto", Finder({"": {"a.proto": text}}, ("",)).find)
    assert time.process_time() - began < 10


WORDS: Final = (
    *'{}()[]<>=;:,.-"',
    *("'", "message", "M", "enum", "rpc", "returns", "service", "option", "google.api.http", "get", "string", "map"),
    *("repeated", "oneof", "1", "0x", "1.5e3", "import", '"/{a}"', "//", "/*", "\n", "\x00", "ä", "𝔘"),
)


@given(st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join))
def test_no_text_is_too_strange(text: str) -> None:
    with suppress(ProtoError):
        found({"a.proto": text})
