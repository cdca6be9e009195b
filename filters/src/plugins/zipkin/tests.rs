use super::*;
use crate::exchange::Note;
use crate::request::testing;
use proptest::prelude::*;
use serde_json::json;

pub fn config(changes: Value) -> Value {
    let mut config = json!({
        "http_endpoint": null, "sample_ratio": 1, "traceid_byte_count": 16, "http_response_header_for_traceid": null,
        "propagation": {"extract": ["b3", "w3c"], "inject": ["preserve"], "clear": null, "default_format": "b3"},
        "connect_timeout": 1, "send_timeout": 1, "read_timeout": 1, "local_service_name": "kong",
        "default_service_name": null, "include_credential": true, "static_tags": [{"name": "a", "value": "b"}],
        "tags_header": "Zipkin-Tags", "http_span_name": "method_path", "phase_duration_flavor": "tags",
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

#[test]
fn what_cannot_run_is_refused() {
    for (changes, reason) in [
        (json!({"http_endpoint": "ftp://a"}), "http_endpoint: only http and https can be spoken"),
        (json!({"http_endpoint": "http://u:p@a/"}), "http_endpoint: a user in it would be shown: leave it out"),
        (json!({"http_endpoint": "http://a:x/"}), "http_endpoint: its port is no number from 0 to 65535"),
        (json!({"traceid_byte_count": 9}), "traceid_byte_count: expected one of: 8, 16"),
        (
            json!({"http_response_header_for_traceid": "host"}),
            "http_response_header_for_traceid: the gateway itself sets host",
        ),
    ] {
        let found = parse(config(changes.clone())).map(|_| ()).unwrap_err().to_string();
        assert_eq!(found, reason, "{changes}");
    }
    assert!(parse(config(json!({"http_endpoint": "http://[::1]:9411/api/v2/spans?a=b"}))).is_ok());
}

proptest! {
    #[test]
    fn notes_keep_ids(trace in any::<[u8; 16]>(), request in any::<[u8; 8]>(), parent in any::<Option<[u8; 8]>>(),
                      proxy in any::<[u8; 8]>(), is_short in any::<bool>(), is_sampled in any::<bool>()) {
        let kept = Kept { trace, is_short, request, parent, proxy, is_sampled };
        let request = testing::request("PUT", "/a?b", &[]);
        let note = kept.to_note(&request);
        prop_assert_eq!(Kept::of(&note), Some(kept));
        let later = testing::request("GET", "/changed", &[]);
        let asked = Asked::of(&note, &later);
        let expected: (&[u8], &[u8]) = if is_sampled { (b"PUT", b"/a") } else { (b"GET", b"/changed") };
        prop_assert_eq!((asked.method, asked.path), expected);
    }
}

#[test]
fn only_what_is_sampled_is_of_interest_at_the_end() {
    let plugin = parse(config(json!({}))).unwrap();
    let kept = Kept { trace: [1; 16], is_short: false, request: [1; 8], parent: None, proxy: [2; 8], is_sampled: true };
    let request = testing::request("GET", "/", &[]);
    assert!(plugin.wants_log(&kept.to_note(&request)));
    assert!(!plugin.wants_log(&Kept { is_sampled: false, ..kept }.to_note(&request)));
    // A request that an earlier plugin has answered: it is decided then.
    assert!(plugin.wants_log(&Note::new()));
}
