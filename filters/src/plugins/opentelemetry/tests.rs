use super::*;
use serde_json::json;

pub fn config(changes: Value) -> Value {
    let mut config = json!({
        "traces_endpoint": "http://127.0.0.1:1/v1/traces", "headers": {"x-a": "b"}, "resource_attributes": {"a": "b"},
        "sampling_rate": 1, "http_response_header_for_traceid": null, "queue": {"max_retry_time": -1},
        "propagation": {"extract": ["b3", "w3c"], "inject": ["preserve"], "clear": null, "default_format": "w3c"},
        "connect_timeout": 1, "send_timeout": 1, "read_timeout": 1,
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

#[test]
fn what_cannot_run_is_refused() {
    for (changes, reason) in [
        (json!({"traces_endpoint": "http://u:p@a/"}), "traces_endpoint: a user in it would be shown: leave it out"),
        (json!({"headers": {"a": "x\r\ny"}}), "headers: control characters are not allowed in header values"),
        (json!({"headers": {"Content-Length": "1"}}), "headers: the gateway itself sets Content-Length"),
    ] {
        let found = parse(config(changes.clone())).map(|_| ()).unwrap_err().to_string();
        assert_eq!(found, reason, "{changes}");
    }
}

#[test]
fn the_traces_id_decides_what_is_kept() {
    let plugin = |rate: f64| Opentelemetry { sampling_rate: rate };
    let (low, high) = ([0; 16], [0xff; 16]);
    for (rate, expected) in [(0.0, (false, false)), (0.5, (true, false)), (1.0, (true, true))] {
        assert_eq!((plugin(rate).samples(&low), plugin(rate).samples(&high)), expected, "{rate}");
    }
    let against = Told { trace: Some(low), is_sampled: Some(false), ..Told::default() };
    assert!(!plugin(1.0).kept(&against).is_sampled);
}
