//! Media types with their parameters, and which of them a configured one stands for.

#[derive(Debug, PartialEq, Eq)]
pub struct MediaType {
    kind: Vec<u8>,
    subtype: Vec<u8>,
    /// By name, in lower case; values as they are.
    parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl MediaType {
    /// None for what is none. `*` alone stands for any.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (kind, subtype, rest) = match token(text) {
            Some((b"*", b"")) => (b"*".as_slice(), b"*".as_slice(), b"".as_slice()),
            found => {
                let (kind, rest) = found?;
                let (subtype, rest) = token(rest.strip_prefix(b"/")?)?;
                (kind, subtype, rest)
            }
        };
        let lower = <[u8]>::to_ascii_lowercase;
        Some(Self { kind: lower(kind), subtype: lower(subtype), parameters: parameters(rest)? })
    }

    /// Whether an answer of this type is meant; `other` is None where its type is none.
    pub fn stands_for(&self, other: Option<&Self>) -> bool {
        let is = |wanted: &[u8], found: Option<&Vec<u8>>| wanted == b"*" || found.is_some_and(|found| found == wanted);
        is(&self.kind, other.map(|other| &other.kind))
            && is(&self.subtype, other.map(|other| &other.subtype))
            && other.map_or(self.parameters.is_empty(), |other| other.parameters == self.parameters)
    }
}

fn parameters(mut rest: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    while !rest.is_empty() {
        let (name, tail) = token(spaceless(spaceless(rest).strip_prefix(b";")?))?;
        let (value, tail) = value(tail.strip_prefix(b"=")?)?;
        let name = name.to_ascii_lowercase();
        match found.binary_search_by(|(other, _)| other.cmp(&name)) {
            Ok(place) => found[place].1 = value.to_vec(),
            Err(place) => found.insert(place, (name, value.to_vec())),
        }
        rest = tail;
    }
    Some(found)
}

fn spaceless(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    &text[end..]
}

/// The text and what follows it.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_of_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    let end = text.iter().position(|byte| !is_of_token(*byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else { return token(text) };
    let end = quoted.iter().position(|byte| *byte == b'"' || byte.is_ascii_control())?;
    (quoted[end] == b'"').then(|| (&quoted[..end], &quoted[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_stand_for_each_other() {
        for (configured, told, expected) in [
            ("application/json", "application/json", true),
            ("application/json", "Application/JSON", true),
            ("application/json", "application/json; charset=utf-8", false),
            ("application/json; charset=utf-8", "application/json;charset=utf-8", true),
            ("application/json; charset=utf-8", "application/json; charset=\"utf-8\"", true),
            ("application/json; charset=utf-8", "application/json; charset=UTF-8", false),
            ("application/json; Charset=utf-8", "application/json; charset=utf-8", true),
            ("application/json; charset=utf-8", "application/json", false),
            ("a/b; x=1; y=2", "a/b; y=2; x=1", true),
            ("a/b; x=1", "a/b; x=2; x=1", true),
            ("text/*", "text/html", true),
            ("text/*", "image/png", false),
            ("*/*", "image/png", true),
            ("*", "image/png", true),
            ("*", "image/png; q=1", false),
            ("*/*", "image/png;", true),
            ("image/png", "image/png;", false),
            ("image/png;", "image/png;", false),
            ("image/png ", "image/png", false),
            ("a/b; c=\"d", "a/b; c=d", false),
            ("", "", false),
            ("text/\u{e4}", "text/\u{e4}", false),
        ] {
            let configured_type = MediaType::parse(configured.as_bytes());
            let told_type = MediaType::parse(told.as_bytes());
            let found = configured_type.is_some_and(|one| one.stands_for(told_type.as_ref()));
            assert_eq!(found, expected, "{configured} for {told}");
        }
    }
}
