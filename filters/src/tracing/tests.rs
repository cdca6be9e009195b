use super::extract::Found;
use super::inject::{hex, inject};
use super::{Format, Sent, Told, otlp};
use crate::forwarding::Changes;
use crate::request::testing;
use proptest::prelude::*;

const ALL: [Format; 8] =
    [Format::B3, Format::W3c, Format::Jaeger, Format::Ot, Format::Datadog, Format::Aws, Format::Gcp, Format::Instana];
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const PARENT: &str = "00f067aa0ba902b7";

fn told(headers: &[(&str, &str)]) -> Told {
    Found::of(&testing::request("GET", "/", headers)).told(&ALL)
}

/// Trace, span, parent and decision as texts, with `-` for what is not told.
fn shown(headers: &[(&str, &str)]) -> String {
    let told = told(headers);
    let id = |id: Option<&[u8]>| id.map_or("-".to_owned(), |id| String::from_utf8(hex(id).to_vec()).unwrap());
    let decision = told.is_sampled.map_or("-".to_owned(), |decision| decision.to_string());
    let (trace, span, parent) = (told.trace, told.span, told.parent);
    let ids = [
        id(trace.as_ref().map(|id| if told.is_short { &id[8..] } else { &id[..] })),
        id(span.as_ref().map(|id| &id[..])),
        id(parent.as_ref().map(|id| &id[..])),
    ];
    format!("{:?} {} {decision}", told.format, ids.join(" "))
}

#[test]
fn what_each_format_tells() {
    let (w3c, b3) = (format!("00-{TRACE}-{SPAN}-01"), format!("{TRACE}-{SPAN}-0-{PARENT}"));
    let (jaeger, aws) =
        (format!("{TRACE}:{SPAN}:0:01"), format!("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent={SPAN};Sampled=1"));
    let gcp = format!("{TRACE}/13235353014750950193;o=1");
    let short = &TRACE[16..];
    for (headers, expected) in [
        (vec![("traceparent", &*w3c)], format!("Some(W3c) {TRACE} {SPAN} - true")),
        (vec![("b3", &*b3)], format!("Some(B3Single) {TRACE} {SPAN} {PARENT} false")),
        (vec![("tracestate", &*format!("b3={b3}"))], format!("Some(B3Single) {TRACE} {SPAN} {PARENT} false")),
        (vec![("b3", "d")], "Some(B3Single) - - - true".to_owned()),
        (
            vec![("x-b3-traceid", short), ("x-b3-spanid", SPAN), ("x-b3-sampled", "true")],
            format!("Some(B3) {short} {SPAN} - true"),
        ),
        (vec![("x-b3-sampled", "0")], "Some(B3) - - - false".to_owned()),
        (vec![("x-b3-flags", "1")], "Some(B3) - - - true".to_owned()),
        (vec![("uber-trace-id", &*jaeger)], format!("Some(Jaeger) {TRACE} {SPAN} - true")),
        (
            vec![("ot-tracer-traceid", short), ("ot-tracer-spanid", SPAN), ("ot-tracer-sampled", "false")],
            format!("Some(Ot) {short} {SPAN} - false"),
        ),
        (
            vec![("x-datadog-trace-id", "9532127138774266268"), ("x-datadog-parent-id", "13235353014750950193")],
            format!("Some(Datadog) {short} {SPAN} - -"),
        ),
        (vec![("x-datadog-sampling-priority", "-1")], "Some(Datadog) - - - false".to_owned()),
        (vec![("x-amzn-trace-id", &*aws)], format!("Some(Aws) {TRACE} {SPAN} - true")),
        (vec![("x-cloud-trace-context", &*gcp)], format!("Some(Gcp) {TRACE} {SPAN} - true")),
        (
            vec![("x-instana-t", TRACE), ("x-instana-s", SPAN), ("x-instana-l", "0,a=b")],
            format!("Some(Instana) {TRACE} {SPAN} - false"),
        ),
        // A state of others keeps nobody from reading the parent.
        (vec![("tracestate", "other=1"), ("traceparent", &w3c)], format!("Some(W3c) {TRACE} {SPAN} - true")),
        (vec![("user-agent", "x"), ("b3-other", "y")], "None - - - -".to_owned()),
    ] {
        assert_eq!(shown(&headers), expected, "{headers:?}");
    }
}

#[test]
fn what_is_broken_tells_nothing() {
    for (name, value) in [
        ("traceparent", "garbage"),
        ("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"),
        ("traceparent", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"),
        ("b3", "0af7651916cd43dd8448eb211c80319c"),
        ("b3", "0af7-b7ad6b7169203331-1"),
        ("x-b3-traceid", "xyz"),
        ("uber-trace-id", "0:1:0:1"),
        ("uber-trace-id", "1:2:3"),
        ("x-datadog-trace-id", "99999999999999999999999"),
        ("x-datadog-sampling-priority", "7"),
        ("x-amzn-trace-id", "Root=1-0af7-16cd"),
        ("x-cloud-trace-context", "0af7651916cd43dd8448eb211c80319c/x"),
        ("x-instana-t", "1"),
        ("ot-tracer-traceid", "é"),
    ] {
        assert_eq!(told(&[(name, value)]), Told::default(), "{name}: {value}");
    }
}

#[test]
fn what_the_upstream_is_told() {
    let sent = Sent {
        trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes(),
        size: None,
        span: 0xb7ad_6b71_6920_3331_u64.to_be_bytes(),
        parent: Some(0x00f0_67aa_0ba9_02b7_u64.to_be_bytes()),
        is_sampled: true,
        is_debug: false,
    };
    let written = |format, sent: &Sent| {
        let mut changes = Changes::default();
        inject(format, sent, &mut changes);
        let line =
            |change: &crate::forwarding::Change| format!("{}={}", change.name, String::from_utf8_lossy(&change.value));
        changes.set.iter().map(line).collect::<Vec<_>>().join(" ")
    };
    let short = &TRACE[16..];
    for (format, expected) in [
        (Format::W3c, format!("traceparent=00-{TRACE}-{SPAN}-01")),
        (Format::B3, format!("x-b3-traceid={TRACE} x-b3-spanid={SPAN} x-b3-parentspanid={PARENT} x-b3-sampled=1")),
        (Format::B3Single, format!("b3={TRACE}-{SPAN}-1-{PARENT}")),
        (Format::Jaeger, format!("uber-trace-id={TRACE}:{SPAN}:{PARENT}:01")),
        (Format::Ot, format!("ot-tracer-traceid={short} ot-tracer-spanid={SPAN} ot-tracer-sampled=1")),
        (
            Format::Datadog,
            "x-datadog-trace-id=9532127138774266268 x-datadog-parent-id=13235353014750950193 \
             x-datadog-sampling-priority=1"
                .to_owned(),
        ),
        (Format::Aws, format!("x-amzn-trace-id=Root=1-0af76519-16cd43dd8448eb211c80319c;Parent={SPAN};Sampled=1")),
        (Format::Gcp, format!("x-cloud-trace-context={TRACE}/13235353014750950193;o=1")),
        (Format::Instana, format!("x-instana-t={TRACE} x-instana-s={SPAN} x-instana-l=1")),
    ] {
        assert_eq!(written(format, &sent), expected);
    }
    let other = Sent { size: Some(8), is_sampled: false, is_debug: true, parent: None, ..sent };
    assert_eq!(written(Format::B3Single, &other), format!("b3={short}-{SPAN}-d"));
    assert_eq!(written(Format::W3c, &other), format!("traceparent=00-{TRACE}-{SPAN}-00"));
}

proptest! {
    #[test]
    fn whatever_headers_say_they_are_read(name in 0_usize..10, value in "[ -~]{0,60}") {
        let names = ["traceparent", "b3", "tracestate", "x-b3-traceid", "uber-trace-id", "ot-tracer-traceid",
            "x-datadog-trace-id", "x-amzn-trace-id", "x-cloud-trace-context", "x-instana-t"];
        let _ = told(&[(names[name], &value)]);
    }
}

#[test]
fn requests_of_otlp() {
    let mut span = otlp::Span::new(&[1; 16], &[2; 8], None, "n", otlp::Kind::Server);
    span.attribute("a", &otlp::Value::Integer(300));
    let span = span.into_bytes();
    assert_eq!(&span[..18], [&[0x0a, 16][..], &[1; 16]].concat());
    assert!(span.ends_with(&[0x4a, 8, 0x0a, 1, b'a', 0x12, 3, 0x18, 0xac, 0x02]));
    let request = otlp::request(&otlp::resource([("k", "v")].into_iter()), ("s", "1"), std::slice::from_ref(&span));
    let resource = [0x0a, 10, 0x0a, 8, 0x0a, 1, b'k', 0x12, 3, 0x0a, 1, b'v'];
    assert_eq!(request[2..14], resource);
    assert!(request.ends_with(&span));
}
