//! What tokens claim, and what is demanded of it.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// What is said of a caller: by several sources, of which the first that says something counts.
#[derive(Debug)]
pub struct Claims<'c>(Vec<Cow<'c, Map<String, Value>>>);

impl<'c> Claims<'c> {
    pub fn of(source: &'c Map<String, Value>) -> Self {
        Self(vec![Cow::Borrowed(source)])
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find_map(|source| source.get(name))
    }
}

impl Claims<'static> {
    pub fn owned(sources: impl Iterator<Item = Map<String, Value>>) -> Self {
        Self(sources.map(Cow::Owned).collect())
    }
}

/// Names that lead through objects to a claim: `["realm_access", "roles"]`.
#[derive(Debug, Deserialize)]
pub struct Path(Vec<Box<str>>);

impl Path {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn find<'t>(&self, claims: &'t Claims<'_>) -> Option<&'t Value> {
        let (first, rest) = self.0.split_first()?;
        let within = |value: &'t Value| rest.iter().try_fold(value, |value, name| value.get(&**name));
        claims.0.iter().find_map(|source| source.get(&**first).and_then(within))
    }

    /// A text or a whole number; nothing else names anybody.
    pub fn name<'t>(&self, claims: &'t Claims<'_>) -> Option<Cow<'t, str>> {
        match self.find(claims)? {
            Value::String(text) => Some(Cow::Borrowed(text.as_str())).filter(|text| !text.is_empty()),
            Value::Number(number) if !number.is_f64() => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }
}

/// The texts of a claim: a list of them, or one that is a list of words, as `scope` is.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.split_ascii_whitespace().collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// What a claim must hold: all words of any one line, or that line as it stands.
#[derive(Debug)]
pub struct Demand {
    claim: Path,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    whole: Box<str>,
    words: Vec<Box<str>>,
}

impl Demand {
    /// None: nothing is demanded.
    pub fn new(claim: Path, lines: Option<Vec<Box<str>>>) -> Option<Self> {
        let lines: Vec<_> = lines?.into_iter().map(Line::from).collect();
        (!lines.is_empty()).then_some(Self { claim, lines })
    }

    pub fn is_met(&self, claims: &Claims<'_>) -> bool {
        let Some(value) = self.claim.find(claims) else { return false };
        let texts = texts(value);
        self.lines.iter().any(|line| value.as_str() == Some(&line.whole) || line.is_in(&texts))
    }
}

impl From<Box<str>> for Line {
    fn from(whole: Box<str>) -> Self {
        let words = whole.split_ascii_whitespace().map(Into::into).collect();
        Self { whole, words }
    }
}

impl Line {
    /// Of a line without words nothing can be there.
    fn is_in(&self, texts: &[&str]) -> bool {
        let has = |wanted: &str| texts.contains(&wanted);
        has(&self.whole) || (!self.words.is_empty() && self.words.iter().all(|word| has(word)))
    }
}

/// A claim as a header's value: texts and numbers as they are, all else as JSON.
pub fn header_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(claims: &Value) -> Claims<'_> {
        Claims::of(claims.as_object().unwrap())
    }

    fn path(names: &[&str]) -> Path {
        Path(names.iter().map(|name| (*name).into()).collect())
    }

    #[test]
    fn paths() {
        let claims = json!({"sub": "ann", "id": 7, "part": 1.5, "empty": "", "a": {"b": {"c": "deep"}}, "list": ["x"]});
        for (names, expected) in [
            (vec!["sub"], Some("ann")),
            (vec!["id"], Some("7")),
            (vec!["a", "b", "c"], Some("deep")),
            (vec!["part"], None),
            (vec!["empty"], None),
            (vec!["a", "b"], None),
            (vec!["list"], None),
            (vec!["sub", "x"], None),
            (vec!["none"], None),
            (vec![], None),
        ] {
            let found = path(&names).name(&of(&claims)).map(Cow::into_owned);
            assert_eq!(found.as_deref(), expected, "{names:?}");
        }
        let (first, second) = (json!({"a": {"x": 1}, "sub": "one"}), json!({"a": {"b": "deep"}, "sub": "two"}));
        let both = Claims::owned([first, second].iter().map(|source| source.as_object().unwrap().clone()));
        assert_eq!(path(&["sub"]).name(&both).as_deref(), Some("one"));
        assert_eq!(path(&["a", "b"]).name(&both).as_deref(), Some("deep"));
    }

    #[test]
    fn demands() {
        for (lines, value, expected) in [
            (vec!["read"], json!("read write"), true),
            (vec!["read"], json!(["write", "read"]), true),
            (vec!["read write"], json!("write read"), true),
            (vec!["read write"], json!("read"), false),
            (vec!["read", "write"], json!("write"), true),
            (vec!["read"], json!("reader"), false),
            (vec!["Domain Admins"], json!(["Domain Admins"]), true),
            (vec!["Domain Admins"], json!("Domain Admins"), true),
            (vec!["read"], json!({"read": true}), false),
            (vec!["read"], json!([["read"], 1]), false),
            (vec!["true"], json!(true), false),
            (vec![" "], json!("a"), false),
            (vec![" "], json!([]), false),
            (vec!["read"], json!(null), false),
        ] {
            let demand =
                Demand::new(path(&["scope"]), Some(lines.iter().map(|line| (*line).into()).collect())).unwrap();
            assert_eq!(demand.is_met(&of(&json!({"scope": value}))), expected, "{lines:?} {value}");
            assert!(!demand.is_met(&of(&json!({}))));
        }
        assert!(Demand::new(path(&["scope"]), None).is_none());
        assert!(Demand::new(path(&["scope"]), Some(vec![])).is_none());
    }

    #[test]
    fn claims_as_headers() {
        for (value, expected) in [
            (json!("a b"), Some("a b")),
            (json!(7), Some("7")),
            (json!(false), Some("false")),
            (json!(["a", 1]), Some(r#"["a",1]"#)),
            (json!(null), None),
        ] {
            assert_eq!(header_text(&value).as_deref(), expected);
        }
    }
}
