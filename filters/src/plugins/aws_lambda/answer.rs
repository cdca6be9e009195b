//! What the client gets of what the function said.

use crate::http_call::Answer;
use crate::nginx_base64;
use crate::reply::Headers;
use crate::text::{Text, is_header_value};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Of the connection to AWS, or the gateway's own.
const NOT_PASSED: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "te",
    "content-length",
    "date",
    "server",
];

#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// How the answer is read.
#[derive(Debug)]
pub struct Reading {
    pub is_proxy_integration: bool,
    /// In place of the answer's, where the function has failed.
    pub unhandled_status: Option<u16>,
    /// Empty lists in JSON become empty objects, as Kong has it by default.
    pub empties_lists: bool,
}

impl Reading {
    /// As an error what is wrong with the function's answer, in Kong's words.
    pub fn read(&self, answer: Answer) -> Result<Told, &'static str> {
        if self.is_proxy_integration {
            return proxied(answer);
        }
        let has_failed = answer.header("x-amz-function-error") == Some(b"Unhandled");
        let status = self.unhandled_status.filter(|_| has_failed).unwrap_or(answer.status);
        let is_json = answer.header("content-type").is_some_and(is_json);
        let body = if self.empties_lists && is_json { without_empty_lists(answer.body) } else { answer.body };
        Ok(Told { status, headers: passed(answer.headers), body })
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let text = content_type.to_ascii_lowercase();
    text.windows(12)
        .position(|part| part == b"application/")
        .is_some_and(|at| text[at..].windows(4).any(|part| part == b"json"))
}

fn passed(headers: Vec<(String, Vec<u8>)>) -> Headers {
    let is_passed = |(name, _): &(String, Vec<u8>)| !NOT_PASSED.contains(&name.as_str());
    let given = headers.into_iter().filter(is_passed);
    given.map(|(name, value)| (Cow::Owned(name), Text::from_slice(&value))).collect()
}

/// As it is where there is none, so that nothing else of it changes.
fn without_empty_lists(body: Vec<u8>) -> Vec<u8> {
    if memchr::memchr(b'[', &body).is_none() {
        return body;
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(&body) else { return body };
    if empty_lists(&mut value) { value.to_string().into_bytes() } else { body }
}

/// Whether there were any.
fn empty_lists(value: &mut Value) -> bool {
    match value {
        Value::Array(list) if list.is_empty() => {
            *value = Value::Object(Map::new());
            true
        }
        Value::Array(list) => list.iter_mut().map(empty_lists).filter(|any| *any).count() > 0,
        Value::Object(members) => members.values_mut().map(empty_lists).filter(|any| *any).count() > 0,
        _ => false,
    }
}

/// `{"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}`.
fn proxied(answer: Answer) -> Result<Told, &'static str> {
    let said: Value = serde_json::from_slice(&answer.body).map_err(|_| "proxy response must be json format")?;
    let said = said.as_object().ok_or("proxy response must be json format")?;
    let present = |name: &str| said.get(name).filter(|value| !value.is_null());
    let status = present("statusCode").and_then(status).ok_or("statusCode validation failed")?;
    let body = match present("body") {
        None => "",
        Some(body) => body.as_str().ok_or("body must be a string")?,
    };
    let body = match present("isBase64Encoded") {
        None | Some(Value::Bool(false)) => body.as_bytes().to_vec(),
        Some(Value::Bool(true)) => nginx_base64::decode(body.as_bytes()).ok_or("body must be base64")?,
        Some(_) => return Err("isBase64Encoded must be a boolean"),
    };
    let mut headers = passed(answer.headers);
    for field in ["headers", "multiValueHeaders"] {
        let Some(given) = present(field) else { continue };
        for (name, value) in given.as_object().ok_or("headers must be a table")? {
            put(&mut headers, &name.to_ascii_lowercase(), value)?;
        }
    }
    Ok(Told { status, headers, body })
}

/// A number, or one as text; what cannot end a request is none.
fn status(value: &Value) -> Option<u16> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    // In range and whole.
    ((200.0..=599.0).contains(&number) && number.fract() == 0.0).then_some(number as u16)
}

fn put(headers: &mut Headers, name: &str, value: &Value) -> Result<(), &'static str> {
    const WRONG: &str = "headers must be names and values that HTTP allows";
    crate::plugins::checks::header_name("headers", name).map_err(|_| WRONG)?;
    headers.retain(|(other, _)| other != name);
    if NOT_PASSED.contains(&name) {
        return Ok(());
    }
    let one = std::slice::from_ref(value);
    for value in value.as_array().map_or(one, Vec::as_slice) {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(WRONG),
        };
        if !is_header_value(text.as_bytes()) {
            return Err(WRONG);
        }
        headers.push((Cow::Owned(name.to_owned()), Text::from_slice(text.as_bytes())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(body: &str) -> Answer {
        let headers = [("content-type", "application/json"), ("connection", "close"), ("x-amzn-requestid", "1")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec();
        Answer { status: 200, headers, body: body.as_bytes().to_vec() }
    }

    fn reading(is_proxy_integration: bool) -> Reading {
        Reading { is_proxy_integration, unhandled_status: Some(412), empties_lists: true }
    }

    fn shown(told: &Told) -> Vec<String> {
        told.headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect()
    }

    #[test]
    fn what_the_function_says_is_the_body() {
        for (body, expected) in [
            (r#"{"b":[],"a":[1,[]]}"#, r#"{"b":{},"a":[1,{}]}"#),
            (r#"{"b": [1]}"#, r#"{"b": [1]}"#),
            ("[]", "{}"),
            ("[not json", "[not json"),
        ] {
            let told = reading(false).read(answer(body)).unwrap();
            assert_eq!((told.status, String::from_utf8(told.body).unwrap()), (200, expected.to_owned()));
            let correct = Reading { empties_lists: false, ..reading(false) }.read(answer(body)).unwrap();
            assert_eq!(correct.body, body.as_bytes());
        }
        let mut failed = answer("{}");
        failed.headers.push(("x-amz-function-error".into(), b"Unhandled".to_vec()));
        let told = reading(false).read(failed).unwrap();
        assert_eq!(told.status, 412);
        assert_eq!(
            shown(&told),
            ["content-type: application/json", "x-amzn-requestid: 1", "x-amz-function-error: Unhandled"]
        );
    }

    #[test]
    fn a_proxy_integration_says_all() {
        let told = reading(true)
            .read(answer(
                r#"{"statusCode": "201", "headers": {"Content-Type": "text/x", "Age": 3, "Connection": "close"},
                "multiValueHeaders": {"age": ["4", true]}, "body": "aGk=", "isBase64Encoded": true}"#,
            ))
            .unwrap();
        assert_eq!((told.status, told.body.as_slice()), (201, &b"hi"[..]));
        assert_eq!(shown(&told), ["x-amzn-requestid: 1", "content-type: text/x", "age: 4", "age: true"]);
        for (body, wrong) in [
            ("no json", "proxy response must be json format"),
            ("[]", "proxy response must be json format"),
            ("{}", "statusCode validation failed"),
            (r#"{"statusCode": 600}"#, "statusCode validation failed"),
            (r#"{"statusCode": 101}"#, "statusCode validation failed"),
            (r#"{"statusCode": "x"}"#, "statusCode validation failed"),
            (r#"{"statusCode": 200, "headers": 1}"#, "headers must be a table"),
            (r#"{"statusCode": 200, "headers": {"a b": "c"}}"#, "headers must be names and values that HTTP allows"),
            (
                r#"{"statusCode": 200, "headers": {"a": "b\r\nc: d"}}"#,
                "headers must be names and values that HTTP allows",
            ),
            (r#"{"statusCode": 200, "body": 1}"#, "body must be a string"),
            (r#"{"statusCode": 200, "isBase64Encoded": "yes"}"#, "isBase64Encoded must be a boolean"),
            (r#"{"statusCode": 200, "body": "!", "isBase64Encoded": true}"#, "body must be base64"),
        ] {
            assert_eq!(reading(true).read(answer(body)), Err(wrong), "{body}");
        }
        let plain = reading(true).read(answer(r#"{"statusCode": 204, "body": null, "headers": null}"#)).unwrap();
        assert_eq!((plain.status, plain.body.len()), (204, 0));
    }

    proptest! {
        #[test]
        fn whatever_it_says_is_told_or_refused(body in "[ -~]{0,60}", proxied: bool) {
            let _ = reading(proxied).read(answer(&body));
        }
    }
}
