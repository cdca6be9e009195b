//! The charset that nginx in front of Kong adds to the types of text which name none (`charset UTF-8`).

use crate::text::Text;

/// nginx's `charset_types`.
const TYPES: [&[u8]; 6] =
    [b"text/html", b"text/xml", b"text/plain", b"text/vnd.wap.wml", b"application/javascript", b"application/rss+xml"];

/// The content type with the charset; `None` where it stays as it is: also with any other parameter, and in redirects.
pub fn completed(status: u16, content_type: &[u8]) -> Option<Text> {
    let is_text = TYPES.iter().any(|known| known.eq_ignore_ascii_case(content_type));
    if !is_text || matches!(status, 301 | 302) {
        return None;
    }
    let mut completed = Text::from_slice(content_type);
    completed.extend_from_slice(b"; charset=UTF-8");
    Some(completed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_get_a_charset() {
        for (status, content_type, expected) in [
            (200, "text/html", Some("text/html; charset=UTF-8")),
            (404, "Text/Plain", Some("Text/Plain; charset=UTF-8")),
            (200, "text/plain; charset=latin1", None),
            (200, "text/plain; format=flowed", None),
            (200, "application/json", None),
            (200, "text/css", None),
            (200, "", None),
            (301, "text/html", None),
            (307, "text/html", Some("text/html; charset=UTF-8")),
        ] {
            let found = completed(status, content_type.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{status} {content_type}");
        }
    }
}
