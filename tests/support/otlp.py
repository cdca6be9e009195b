"""Reads OTLP's requests by the field numbers of opentelemetry-proto, whose package clashes with xds-protos."""

import struct
from collections import defaultdict
from typing import Any

Fields = dict[int, list[Any]]


def fields(data: bytes) -> Fields:
    """By number: integers, or bytes of what has a length; fixed numbers as integers or, of 8 bytes, as bytes."""
    found: Fields = defaultdict(list)
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 1:
            value, at = data[at : at + 8], at + 8
        elif kind == 2:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        elif kind == 5:
            value, at = int.from_bytes(data[at : at + 4], "little"), at + 4
        else:
            raise ValueError(f"wire type {kind}")
        found[tag >> 3].append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def attributes(entries: list[bytes]) -> dict[str, Any]:
    found = {}
    for entry in entries:
        pair = fields(entry)
        found[pair[1][0].decode()] = _value(fields(pair[2][0])) if pair[2] else None
    return found


def _value(value: Fields) -> Any:
    if value[1]:
        return value[1][0].decode()
    if value[2]:
        return bool(value[2][0])
    if value[3]:
        return value[3][0]
    return struct.unpack("<d", value[4][0])[0] if value[4] else None


def resources(body: bytes) -> list[dict[str, Any]]:
    """The attributes of each resource."""
    return [attributes(fields(fields(one)[1][0])[1]) for one in fields(body)[1]]


def otlp_spans(body: bytes) -> list[dict[str, Any]]:
    found = []
    for resource_spans in fields(body)[1]:
        of_resource = fields(resource_spans)
        resource = attributes(fields(of_resource[1][0])[1])
        for scope_spans in of_resource[2]:
            scope = fields(scope_spans)
            name = fields(scope[1][0])[1][0].decode() if scope[1] else ""
            found += [_span(fields(span), resource, name) for span in scope[2]]
    return found


def _span(span: Fields, resource: dict[str, Any], scope: str) -> dict[str, Any]:
    start, end = (int.from_bytes(span[number][0], "little") for number in (7, 8))
    return {
        "traceId": span[1][0].hex(),
        "id": span[2][0].hex(),
        "parentId": span[4][0].hex() if span[4] else "",
        "name": span[5][0].decode(),
        "kind": {1: "INTERNAL", 2: "SERVER", 3: "CLIENT"}.get(span[6][0] if span[6] else 0, ""),
        "start": start,
        "end": end,
        "tags": attributes(span[9]),
        "status": fields(span[15][0])[3][0] if span[15] and fields(span[15][0])[3] else 0,
        "resource": resource,
        "service": resource.get("service.name"),
        "scope": scope,
    }
