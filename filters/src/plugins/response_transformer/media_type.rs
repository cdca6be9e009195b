//! What counts as JSON: `application/json` and all `application/…+json`, by themselves or in a list.

pub fn is_json(content_type: &[u8]) -> bool {
    content_type.split(|byte| *byte == b',').any(is_one)
}

fn is_one(media_type: &[u8]) -> bool {
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let Some(subtype) = essence.strip_prefix(b"application/") else { return false };
    subtype.iter().all(|byte| is_token(*byte)) && (subtype == b"json" || subtype.ends_with(b"+json"))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.api+json", true),
            ("text/plain, application/json", true),
            ("application/json;", true),
            ("application/jsonp", false),
            ("application/json-seq", false),
            ("application/x/y+json", false),
            ("text/json", false),
            ("text/plain; x=application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(is_json(content_type.as_bytes()), expected, "{content_type}");
        }
    }
}
