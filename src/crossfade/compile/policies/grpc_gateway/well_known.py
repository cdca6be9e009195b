"""Files that nobody needs to bring along: Google's types, as the documentation of protobuf has them.

What only declares options declares nothing here, since options are read by their names.
"""

from typing import Final

_WRAPPED: Final = {
    "DoubleValue": "double",
    "FloatValue": "float",
    "Int64Value": "int64",
    "UInt64Value": "uint64",
    "Int32Value": "int32",
    "UInt32Value": "uint32",
    "BoolValue": "bool",
    "StringValue": "string",
    "BytesValue": "bytes",
}
_OPTIONS_ONLY: Final = frozenset(
    {
        "gogoproto/gogo.proto",
        "google/api/annotations.proto",
        "google/api/client.proto",
        "google/api/field_behavior.proto",
        "google/api/http.proto",
        "google/api/resource.proto",
        "google/protobuf/descriptor.proto",
        "protoc-gen-openapiv2/options/annotations.proto",
        "protoc-gen-swagger/options/annotations.proto",
        "validate/validate.proto",
    }
)
_TYPES: Final = {
    "google/protobuf/any.proto": "message Any { string type_url = 1; bytes value = 2; }",
    "google/protobuf/duration.proto": "message Duration { int64 seconds = 1; int32 nanos = 2; }",
    "google/protobuf/empty.proto": "message Empty {}",
    "google/protobuf/field_mask.proto": "message FieldMask { repeated string paths = 1; }",
    "google/protobuf/source_context.proto": "message SourceContext { string file_name = 1; }",
    "google/protobuf/struct.proto": """
        message Struct { map<string, Value> fields = 1; }
        message Value { oneof kind {
            NullValue null_value = 1; double number_value = 2; string string_value = 3;
            bool bool_value = 4; Struct struct_value = 5; ListValue list_value = 6;
        } }
        enum NullValue { NULL_VALUE = 0; }
        message ListValue { repeated Value values = 1; }""",
    "google/protobuf/timestamp.proto": "message Timestamp { int64 seconds = 1; int32 nanos = 2; }",
    "google/protobuf/wrappers.proto": "\n".join(
        f"message {name} {{ {of} value = 1; }}" for name, of in _WRAPPED.items()
    ),
}
_HTTP_BODY: Final = """
syntax = "proto3"; package google.api; import "google/protobuf/any.proto";
message HttpBody { string content_type = 1; bytes data = 2; repeated google.protobuf.Any extensions = 3; }
"""


def well_known(path: str) -> str | None:
    """The text of such a file."""
    if path in _OPTIONS_ONLY:
        return ""
    if path == "google/api/httpbody.proto":
        return _HTTP_BODY
    types = _TYPES.get(path)
    return None if types is None else f'syntax = "proto3"; package google.protobuf;\n{types}'
