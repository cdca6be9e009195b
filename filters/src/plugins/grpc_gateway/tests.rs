//! grpc-gateway on the fake gateway. Messages on the wire, and what is wrong with a body, are as Kong's libraries
//! (lua-protobuf 0.5.2, lua-cjson) gave them for the same file and the same bodies.

use super::messages::Messages;
use super::values::Value as Given;
use super::{decoding, encoding, frames, json, parse};
use crate::gateway::{Filter, Flow};
use crate::stream::Map;
use crate::stream::testing::Fake;
use crate::testing::{filter, passed, plugins, received};
use proptest::prelude::*;
use serde_json::{Value, json as js};

/// Of a file with one message of each kind of field.
pub fn transcoding_tables() -> Value {
    let scalar = |name: &str, number: u32, scalar: &str| js!({"name": name, "number": number, "scalar": scalar});
    let with = |mut field: Value, more: Value| {
        field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        field
    };
    let fields = js!([
        scalar("d", 1, "double"), scalar("f", 2, "float"), scalar("i32", 3, "int32"), scalar("i64", 4, "int64"),
        scalar("u32", 5, "uint32"), scalar("u64", 6, "uint64"), scalar("s32", 7, "sint32"),
        scalar("s64", 8, "sint64"), scalar("x32", 9, "fixed32"), scalar("x64", 10, "fixed64"),
        scalar("sx32", 11, "sfixed32"), scalar("sx64", 12, "sfixed64"), scalar("b", 13, "bool"),
        scalar("s", 14, "string"), scalar("y", 15, "bytes"), {"name": "c", "number": 16, "enum": 0},
        with(scalar("ri", 17, "int32"), js!({"repeated": true, "packed": true})),
        with(scalar("rs", 18, "string"), js!({"repeated": true})),
        with(scalar("m", 19, "int32"), js!({"key": "string"})),
        {"name": "in", "number": 20, "message": 1},
        with(scalar("left", 21, "string"), js!({"oneof": "pick"})),
        with(scalar("right", 22, "int32"), js!({"oneof": "pick"})),
        {"name": "t", "number": 23, "message": 2},
        {"name": "many", "number": 24, "message": 1, "repeated": true},
        with(scalar("by", 25, "bool"), js!({"key": "int32"})),
        with(scalar("maybe", 26, "int32"), js!({"explicit": true})),
    ]);
    let inner =
        js!([scalar("name", 1, "string"), scalar("count", 2, "int32"), {"name": "deeper", "number": 3, "message": 1}]);
    let binding = |method: &str, regex: &str, variables: Value, body: Value| {
        js!({
            "method": method, "regex": regex, "variables": variables, "path": "/t.S/Do", "input": 0, "output": 0,
            "body": body,
        })
    };
    js!({
        "bindings": [
            binding("get", "/s/one/([^/]+)", js!(["s"]), Value::Null),
            binding("get", "/s/all/(.+)/(x|[^/]+)", js!(["in.name", "b"]), Value::Null),
            binding("post", "/s/whole", js!([]), js!("*")),
            binding("post", "/s/part/([^/]+)", js!(["s"]), js!("in")),
        ],
        "messages": [
            {"name": "t.All", "defaults": true, "fields": fields},
            {"name": "t.Inner", "defaults": true, "fields": inner},
            {"name": "google.protobuf.Timestamp", "defaults": true, "fields": [
                scalar("seconds", 1, "int64"), scalar("nanos", 2, "int32")]},
        ],
        "enums": [[["RED", 0], ["GREEN", 1], ["BLUE", 5], ["AZURE", 5]]],
    })
}

fn messages() -> Messages {
    let tables = transcoding_tables();
    let read = |name: &str| tables[name].clone();
    Messages::parse(serde_json::from_value(read("messages")).unwrap(), serde_json::from_value(read("enums")).unwrap())
        .unwrap()
}

fn wire(body: &str) -> Option<String> {
    let Given::Object(members) = json::decoded(body.as_bytes()).unwrap() else { panic!("{body}") };
    encoding::encoded(&messages(), 0, &members).map(hex::encode)
}

fn shown(message: &str) -> Option<String> {
    let found = decoding::json(&messages(), 0, &hex::decode(message).unwrap())?;
    Some(String::from_utf8(found).unwrap())
}

#[test]
fn what_goes_on_the_wire() {
    for (body, expected) in [
        (r#"{"d":1.5}"#, Some("09000000000000f83f")),
        (r#"{"d":"2.5"}"#, Some("090000000000000440")),
        (r#"{"d":""}"#, None),
        (r#"{"f":0.1}"#, Some("15cdcccc3d")),
        (r#"{"i32":-1}"#, Some("18ffffffffffffffffff01")),
        (r#"{"i32":"12"}"#, Some("180c")),
        (r#"{"i32":""}"#, Some("")),
        (r#"{"i32":1.9}"#, Some("1801")),
        (r#"{"i32":4294967297}"#, Some("1801")),
        (r#"{"i32":"0x10"}"#, Some("1810")),
        (r##"{"i32":"#12"}"##, Some("180c")),
        (r#"{"i32":"x"}"#, None),
        (r#"{"i32":true}"#, None),
        (r#"{"i64":-5}"#, Some("20fbffffffffffffffff01")),
        (r#"{"i64":1e30}"#, None),
        (r#"{"u32":-1}"#, Some("28ffffffff0f")),
        (r#"{"s32":-3}"#, Some("3805")),
        (r#"{"s64":-3}"#, Some("4005")),
        (r#"{"x32":7}"#, Some("4d07000000")),
        (r#"{"x64":7}"#, Some("510700000000000000")),
        (r#"{"sx32":-7}"#, Some("5df9ffffff")),
        (r#"{"sx64":-7}"#, Some("61f9ffffffffffffff")),
        (r#"{"b":true}"#, Some("6801")),
        (r#"{"b":"false"}"#, Some("6801")),
        (r#"{"b":0}"#, Some("6801")),
        (r#"{"s":"x"}"#, Some("720178")),
        (r#"{"s":""}"#, Some("")),
        (r#"{"s":1}"#, None),
        (r#"{"s":null}"#, None),
        (r#"{"y":"é"}"#, Some("7a02c3a9")),
        (r#"{"c":"BLUE"}"#, Some("800105")),
        (r#"{"c":"5"}"#, Some("800105")),
        (r#"{"c":7}"#, Some("800107")),
        (r#"{"c":"PINK"}"#, None),
        (r#"{"ri":[1,2,300]}"#, Some("8a01040102ac02")),
        (r#"{"ri":{}}"#, Some("")),
        (r#"{"ri":[]}"#, Some("")),
        (r#"{"ri":1}"#, None),
        (r#"{"rs":["a",""]}"#, Some("92010161920100")),
        (r#"{"rs":["a",null]}"#, None),
        (r#"{"m":{"a":1}}"#, Some("9a01050a01611001")),
        (r#"{"m":[]}"#, Some("")),
        (r#"{"in":{}}"#, Some("a20100")),
        (r#"{"in":{"name":"n","count":2}}"#, Some("a201050a016e1002")),
        (r#"{"in":[]}"#, Some("a20100")),
        (r#"{"in":"x"}"#, None),
        (r#"{"left":""}"#, Some("aa0100")),
        (r#"{"right":0}"#, Some("b00100")),
        (r#"{"many":[{},{"count":1}]}"#, Some("c20100c201021001")),
        (r#"{"nope":1}"#, Some("")),
        (r#"{"i32":0,"d":0}"#, Some("")),
        // What Kong does otherwise, or not at all.
        (r#"{"u64":18446744073709551615}"#, Some("30ffffffffffffffffff01")),
        (r#"{"i64":"9007199254740993"}"#, Some("208180808080808010")),
        (r#"{"b":null}"#, None),
        (r#"{"b":false}"#, Some("")),
        (r#"{"ri":{"a":1}}"#, None),
        (r#"{"t":"1970-01-01T00:00:01.5Z"}"#, Some("ba010808011080cab5ee01")),
        (r#"{"t":{"seconds":1}}"#, None),
        (r#"{"by":{"7":true}}"#, Some("ca010408071001")),
        (r#"{"by":{"x":true}}"#, None),
        (r#"{"maybe":0}"#, Some("d00100")),
    ] {
        assert_eq!(wire(body).as_deref(), expected, "{body}");
    }
}

const DEFAULTS: &str = concat!(
    r#""d":0,"f":0,"i32":0,"i64":0,"u32":0,"u64":0,"s32":0,"s64":0,"x32":0,"x64":0,"sx32":0,"sx64":0,"b":false,"#,
    r#""s":"","y":"","c":"RED","ri":[],"rs":[],"m":{}"#
);

#[test]
fn what_clients_are_shown() {
    let rest = r#","many":[],"by":{}"#;
    for (message, expected) in [
        ("", format!("{{{DEFAULTS}{rest}}}")),
        ("aa0100", format!(r#"{{{DEFAULTS},"left":""{rest},"pick":"left"}}"#)),
        ("b00102", format!(r#"{{{DEFAULTS},"right":2{rest},"pick":"right"}}"#)),
        ("a201050a016e1002", format!(r#"{{{DEFAULTS},"in":{{"name":"n","count":2}}{rest}}}"#)),
        ("ba010808011080cab5ee01", format!(r#"{{{DEFAULTS},"t":"1970-01-01T00:00:01"{rest}}}"#)),
        ("d00100", format!(r#"{{{DEFAULTS}{rest},"maybe":0}}"#)),
    ] {
        assert_eq!(shown(message), Some(expected), "{message}");
    }
    for (message, part) in [
        ("09000000000000f83f", r#""d":1.5"#),
        ("15cdcccc3d", r#""f":0.10000000149012"#),
        ("18ffffffffffffffffff01", r#""i32":-1,"#),
        ("20ffffffffffffffff7f", r#""i64":9223372036854775807,"#),
        ("30ffffffffffffffffff01", r#""u64":18446744073709551615,"#),
        ("3805", r#""s32":-3,"#),
        ("4005", r#""s64":-3,"#),
        ("5df9ffffff", r#""sx32":-7,"#),
        ("6802", r#""b":true,"#),
        ("7203612f22", r#""s":"a\/\"","#),
        ("800105", r#""c":"BLUE","#),
        ("800107", r#""c":7,"#),
        ("8a01040102ac02", r#""ri":[1,2,300],"#),
        ("880101880102", r#""ri":[1,2],"#),
        ("92010161920100", r#""rs":["a",""],"#),
        ("9a01050a016110019a01030a0162", r#""m":{"a":1,"b":0},"#),
        ("c20100c201021001", r#""many":[{"name":"","count":0},{"name":"","count":1}],"#),
        ("ca010408071001", r#""by":{"7":true}"#),
        ("720161720162", r#""s":"b","#),
        ("f80105fb010801fc01", r#""i32":0,"#),
    ] {
        let found = shown(message).unwrap();
        assert!(found.contains(part), "{message}: {found}");
    }
    for broken in ["09", "7205", "70", "0b", "0c", "00", "f80080808080808080808001ff", "09000000000000f07f", "a2010208"]
    {
        assert_eq!(shown(broken), None, "{broken}");
    }
}

#[test]
fn what_is_wrong_with_a_body() {
    let deep = "[".repeat(1001);
    for (text, expected) in [
        (r#"{"message":"invalid}"#, "value but found unexpected end of string at character 21"),
        ("{", "object key string but found T_END at character 2"),
        (r#"{"a""#, "colon but found T_END at character 5"),
        (r#"{"a":"#, "value but found T_END at character 6"),
        (r#"{"a":1"#, "comma or object end but found T_END at character 7"),
        (r#"{"a":1,}"#, "object key string but found T_OBJ_END at character 8"),
        (r#"{"a" 1}"#, "colon but found T_NUMBER at character 6"),
        ("[1,2", "comma or array end but found T_END at character 5"),
        ("[1,]", "value but found T_ARR_END at character 4"),
        ("nope", "value but found invalid token at character 1"),
        (r#"{"a":"\x"}"#, "value but found invalid escape code at character 7"),
        (r#"{"a":"\u12"}"#, "value but found invalid unicode escape code at character 7"),
        (r#"{"a":"\ud800"}"#, "value but found invalid unicode escape code at character 7"),
        (r#"{"a":"\udc00"}"#, "value but found invalid unicode escape code at character 7"),
        (r#"{"a":-}"#, "value but found invalid number at character 6"),
        (r#"{"a":.5}"#, "value but found invalid token at character 6"),
        (r#"{"a":1e}"#, "comma or object end but found invalid token at character 7"),
        ("1 2", "the end but found T_NUMBER at character 3"),
        (r#"{"a":1}}"#, "the end but found T_OBJ_END at character 8"),
        ("\"", "value but found unexpected end of string at character 2"),
        ("   ", "value but found T_END at character 4"),
    ] {
        assert_eq!(json::decoded(text.as_bytes()), Err(format!("Expected {expected}")), "{text}");
    }
    let too_deep = "Found too many nested data structures (1001) at character 1001";
    assert_eq!(json::decoded(deep.as_bytes()), Err(too_deep.to_owned()));
}

#[test]
fn bodies_that_only_kong_reads() {
    for (text, expected) in [
        ("[01, 0x10, +1, 1.]", "[1, 16, 1, 1.0]"),
        ("[true, null, 1e2]", "[true, null, 100.0]"),
        (r#"["\u00e9\ud83d\ude00\n"]"#, "[\"é😀\\n\"]"),
    ] {
        assert_eq!(plain(json::decoded(text.as_bytes()).unwrap()), serde_json::from_str::<Value>(expected).unwrap());
    }
    assert_eq!(json::decoded(b"\"\xff\""), Ok(Given::Text(vec![0xff])));
}

fn plain(value: Given) -> Value {
    match value {
        Given::Null => Value::Null,
        Given::Bool(truth) => js!(truth),
        Given::Number(super::values::Number::Whole(whole)) => js!(i64::try_from(whole).unwrap()),
        Given::Number(number) => js!(number.float()),
        Given::Text(text) => js!(String::from_utf8(text).unwrap()),
        Given::List(values) => values.into_iter().map(plain).collect(),
        Given::Object(members) => {
            members.into_iter().map(|(name, value)| (String::from_utf8(name).unwrap(), plain(value))).collect()
        }
    }
}

fn on_route() -> Value {
    plugins(&[("grpc-gateway", transcoding_tables())])
}

/// The request and its body through the filter.
fn sent(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (Filter, Fake) {
    let mut stream = Fake::request(method, path, headers);
    let mut filter = filter(&on_route(), &stream);
    let flow = filter.on_request_headers(&mut stream, body.is_empty());
    if !body.is_empty() && flow != Flow::Answered {
        stream.request_body = body.as_bytes().to_vec();
        filter.on_request_body(&mut stream, true);
    }
    (filter, stream)
}

fn refused(method: &str, path: &str, body: &str) -> (u16, String, Fake) {
    let (_, mut stream) = sent(method, path, &[("content-type", "application/json")], body);
    let (status, headers, text) = stream.reply.take().unwrap();
    stream.reply = Some((status, headers, String::new()));
    (status, text, stream)
}

#[test]
fn a_request_becomes_a_call() {
    for (method, path, body, message) in [
        ("GET", "/s/one/ann", "", "7203616e6e"),
        ("GET", "/s/one/ann?i32=5&in.count=2&other=1&in.other=1", "", "7203616e6e1805a201021002"),
        ("GET", "/s/one/a?b=0", "", "720161"),
        ("GET", "/s/one/a?b", "", "7201616801"),
        ("GET", "/s/one/a?b=no", "", "7201616801"),
        ("GET", "/s/one/a?ri=1&ri=2", "", "7201618a01020102"),
        ("GET", "/s/one/a?rs=1", "", "72016192010131"),
        ("GET", "/s/one/a?s=b%20c", "", "7203622063"),
        ("GET", "/s/one/a?c=GREEN&t=1970-01-01T00:00:01", "", "720161800101ba01020801"),
        ("GET", "/s/all/a/b/false", "", "a201050a03612f62"),
        ("POST", "/s/whole", r#"{"s":"x"}"#, "720178"),
        ("POST", "/s/whole", "", ""),
        ("POST", "/s/part/p?i32=1", r#"{"count":1}"#, "720170a201021001"),
    ] {
        let headers = [("content-type", "application/json"), ("te", "chunked"), ("grpc-accept-encoding", "gzip")];
        let (_, stream) = sent(method, path, &headers, body);
        assert!(stream.reply.is_none(), "{path} {:?}", stream.reply);
        let framed = frames::framed(&hex::decode(message).unwrap());
        assert_eq!(hex::encode(&stream.request_body), hex::encode(&framed), "{method} {path}");
        let length = framed.len().to_string();
        for (name, expected) in [
            (":method", Some("POST")),
            (":path", Some("/t.S/Do")),
            ("content-type", Some("application/grpc")),
            ("te", Some("trailers")),
            ("content-length", Some(length.as_str())),
            ("grpc-accept-encoding", None),
            ("connection", None),
        ] {
            assert_eq!(stream.sent(Map::Request, name).as_deref(), expected, "{method} {path} {name}");
        }
    }
}

#[test]
fn refusals_are_kongs() {
    for (method, path, body, text, content_type) in [
        ("PUT", "/s/one/a", "", r#"failed to transcode .proto file Unknown method "put""#, None),
        ("HEAD", "/s/one/a", "", "", None),
        ("GET", "/s/one", "", r#"failed to transcode .proto file Unknown path "/s/one""#, None),
        ("GET", "/s/one/a/b", "", r#"failed to transcode .proto file Unknown path "/s/one/a/b""#, None),
        ("GET", "/s/one/a?i32=x", "", "failed to encode payload", Some("application/json")),
        ("GET", "/s/one/a?s=1&s=2", "", "failed to encode payload", Some("application/json")),
        ("GET", "/s/one/a?i32.x=1", "", "failed to encode payload", Some("application/json")),
        ("POST", "/s/whole", "3", "body must be a table", Some("application/json")),
        ("POST", "/s/whole", "[1]", "failed to encode payload", Some("application/json")),
        ("POST", "/s/whole", r#"{"s":1}"#, "failed to encode payload", Some("application/json")),
        (
            "POST",
            "/s/whole",
            r#"{"s":"x}"#,
            "decode json err: Expected value but found unexpected end of string at character 9",
            Some("application/json"),
        ),
    ] {
        let (status, found, stream) = refused(method, path, body);
        assert_eq!((status, found.as_str()), (400, text), "{method} {path}");
        assert_eq!(received(&stream, "content-type").first().map(String::as_str), content_type, "{method} {path}");
        assert_eq!(received(&stream, "access-control-allow-origin"), ["*"]);
    }
}

#[test]
fn without_a_file_nothing_is_transcoded() {
    let (_, stream, _) = passed(&plugins(&[("grpc-gateway", js!({}))]), Fake::request("GET", "/s", &[]));
    let (status, _, body) = stream.reply.unwrap();
    assert_eq!((status, body.as_str()), (400, "transcoding requests require a .proto file defining the service"));
}

#[test]
fn preflight_requests_are_answered() {
    let (_, stream, _) = passed(&on_route(), Fake::request("OPTIONS", "/s/nowhere", &[]));
    for (name, value) in [
        ("content-type", "application/json"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET,POST,PATCH,DELETE"),
        ("access-control-allow-headers", "content-type"),
    ] {
        assert_eq!(received(&stream, name), [value], "{name}");
    }
    let (status, _, body) = stream.reply.unwrap();
    assert_eq!((status, body.as_str()), (200, "OK"));
}

#[test]
fn a_longer_body_is_refused() {
    let body = format!(r#"{{"s":"{}"}}"#, "x".repeat(crate::body::LARGEST_SEARCHED));
    let (status, text, _) = refused("POST", "/s/whole", &body);
    assert_eq!(status, 413, "{text}");
}

/// The upstream's answer after a request: its pieces, and what the client gets of each.
fn answered(headers: &[(&str, &str)], pieces: &[&[u8]]) -> (Fake, Vec<String>) {
    let (mut filter, mut stream) = sent("GET", "/s/one/a", &[], "");
    let headers = [(":status", "200"), ("content-type", "application/grpc")].iter().chain(headers);
    stream.response = headers.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    assert_eq!(filter.on_response_headers(&mut stream, pieces.is_empty()), Flow::Continue);
    let mut shown = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let before = stream.response_body.len();
        stream.response_chunk = piece.to_vec();
        filter.on_response_body(&mut stream, place + 1 == pieces.len());
        shown.push(String::from_utf8(stream.response_body[before..].to_vec()).unwrap());
    }
    (stream, shown)
}

#[test]
fn each_message_goes_on_when_it_is_here() {
    let first = frames::framed(b"\x72\x01a");
    let both = [first.as_slice(), &frames::framed(b"\x72\x01b")].concat();
    let (stream, shown) = answered(&[], &[&both[..3], &both[3..7], &both[7..], b""]);
    assert_eq!(shown[..2], ["", ""]);
    assert!(shown[2].contains(r#""s":"a""#) && shown[2].contains(r#""s":"b""#), "{shown:?}");
    assert_eq!(shown[3], "");
    assert_eq!(received(&stream, "content-type"), ["application/json"]);
    assert_eq!(received(&stream, "access-control-allow-origin"), ["*"]);
}

#[test]
fn what_is_no_message_goes_on_as_it_is() {
    let (_, shown) = answered(&[("content-length", "12")], &[b"<html>", b"</html"]);
    assert_eq!(shown, ["", "<html></html"]);
}

#[test]
fn broken_messages_end_the_answer() {
    for piece in [frames::framed(b"\x72\x05"), vec![1, 0, 0, 0, 0]] {
        let (stream, shown) = answered(&[], &[&piece]);
        assert_eq!(shown, [""]);
        assert_eq!(stream.reply.map(|(status, ..)| status), Some(500));
    }
}

#[test]
fn statuses() {
    for (grpc_status, expected) in [
        ("0", "200"),
        ("1", "499"),
        ("2", "500"),
        ("3", "400"),
        ("4", "504"),
        ("5", "404"),
        ("6", "409"),
        ("7", "403"),
        ("8", "429"),
        ("9", "400"),
        ("10", "409"),
        ("11", "400"),
        ("12", "500"),
        ("13", "500"),
        ("14", "503"),
        ("15", "500"),
        ("16", "401"),
        ("17", "500"),
        ("-1", "500"),
        ("x", "200"),
    ] {
        let (stream, _) = answered(&[("grpc-status", grpc_status), ("grpc-message", "why")], &[]);
        assert_eq!(received(&stream, ":status"), [expected], "{grpc_status}");
        assert_eq!(received(&stream, "grpc-message"), ["why"]);
    }
}

#[test]
fn tables_that_make_no_sense_are_refused() {
    for (change, reason) in [
        (
            js!({"bindings": [{"method": "get", "regex": "(", "variables": [], "path": "/a", "input": 0, "output": 0}]}),
            "/a (: ",
        ),
        (
            js!({"bindings": [{"method": "get", "regex": "a", "variables": [], "path": "/a", "input": 9, "output": 0}]}),
            "/a a: its messages",
        ),
        (
            js!({"messages": [{"name": "a", "fields": [{"name": "f", "number": 1, "message": 1}]}]}),
            "field f: it is of no type",
        ),
        (
            js!({"messages": [{"name": "a", "fields": [{"name": "f", "number": 0, "scalar": "bool"}]}]}),
            "field f: its number",
        ),
    ] {
        let error = parse(change).unwrap_err().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
}

proptest! {
    #[test]
    fn no_message_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        decoding::json(&messages(), 0, &bytes);
    }

    #[test]
    fn no_body_is_too_strange(text in "[\\[\\]{}:,\"a0-9.eE+\\\\ux-]{0,40}") {
        if let Ok(Given::Object(members)) = json::decoded(text.as_bytes()) {
            encoding::encoded(&messages(), 0, &members);
        }
    }

    #[test]
    fn json_of_others_is_read_alike(whole in any::<i64>(), text in ".*", truth: bool) {
        let value = js!({"a": [whole, text, truth, null], "b": {}});
        prop_assert_eq!(plain(json::decoded(value.to_string().replace("\\u0000", "").as_bytes()).unwrap())["a"][0].clone(), js!(whole));
    }

    #[test]
    fn what_is_written_is_shown_again(whole in any::<i64>(), text in "[a-z]*", list in proptest::collection::vec(any::<i32>(), 0..5)) {
        let body = js!({"i64": whole, "s": text, "ri": list}).to_string();
        let found: Value = serde_json::from_str(&shown(&wire(&body).unwrap()).unwrap()).unwrap();
        prop_assert_eq!(&found["i64"], &js!(whole));
        prop_assert_eq!(&found["s"], &js!(text));
        prop_assert_eq!(&found["ri"], &js!(list));
    }
}
