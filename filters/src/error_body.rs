//! The bodies of errors that the gateway makes itself, to the byte (kong.md §3.9).

use crate::tables::{Compat, Settings};
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Format {
    #[serde(rename = "application/json")]
    Json,
    #[serde(rename = "text/html")]
    Html,
    #[serde(rename = "application/xml")]
    Xml,
    #[default]
    #[serde(rename = "text/plain")]
    Plain,
    /// `Accept: application/grpc` over HTTP/1.1: no body, an empty content type.
    #[serde(skip)]
    Empty,
}

/// The formats of one request's errors, chosen when its headers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    /// For errors of plugins and of routing: `Accept`, else JSON.
    pub plugin: Format,
    /// For errors of proxying: `Accept`, else the request's `Content-Type`, else plain text.
    pub proxy: Format,
}

impl Formats {
    pub const DEFAULT: Self = Self { plugin: Format::Json, proxy: Format::Plain };

    /// `default` is for errors of proxying where the client says nothing.
    pub fn choose(accept: Option<&[u8]>, content_type: Option<&[u8]>, default: Format) -> Self {
        let plugin = accept.map_or(Format::Json, best_format);
        Self { plugin, proxy: accept.or(content_type).map_or(default, best_format) }
    }
}

const MEDIA_TYPES: [(&[u8], Format); 8] = [
    (b"application/json", Format::Json),
    (b"application/*", Format::Json),
    (b"*/*", Format::Json),
    (b"text/html", Format::Html),
    (b"application/xml", Format::Xml),
    (b"text/plain", Format::Plain),
    (b"text/*", Format::Plain),
    (b"application/grpc", Format::Empty),
];

/// The first of the media types with the highest quality that Kong knows; JSON if it knows none.
fn best_format(accept: &[u8]) -> Format {
    let mut best = (Format::Json, 0.0);
    for part in accept.split(|byte| *byte == b',') {
        let mut parameters = part.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let media_type = parameters.next().unwrap_or_default();
        let Some((_, format)) = MEDIA_TYPES.iter().find(|(name, _)| *name == media_type) else { continue };
        let quality = parameters
            .filter_map(|parameter| parameter.strip_prefix(b"q="))
            .find_map(|value| std::str::from_utf8(value).ok()?.parse::<f64>().ok())
            .unwrap_or(1.0);
        if quality > best.1 {
            best = (*format, quality);
        }
    }
    best.0
}

pub fn content_type(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json; charset=utf-8",
        Format::Html => "text/html; charset=utf-8",
        Format::Xml => "application/xml; charset=utf-8",
        Format::Plain => "text/plain; charset=utf-8",
        Format::Empty => "",
    }
}

/// Kong's `error_template_*`: what stands in place of its pages, `%s` once for the message and once for the request id.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Templates {
    json: Option<Box<str>>,
    html: Option<Box<str>>,
    xml: Option<Box<str>>,
    plain: Option<Box<str>>,
}

impl Templates {
    fn of(&self, format: Format) -> Option<&str> {
        match format {
            Format::Json => self.json.as_deref(),
            Format::Html => self.html.as_deref(),
            Format::Xml => self.xml.as_deref(),
            Format::Plain => self.plain.as_deref(),
            Format::Empty => None,
        }
    }
}

/// An error page as the settings have it.
pub fn page(settings: &Settings, format: Format, message: &str, request_id: &str) -> String {
    match settings.templates.of(format) {
        Some(template) => filled(template, &[message, request_id]),
        None => render(format, settings.compat, message, request_id),
    }
}

/// As Lua's `string.format` fills it: `%s` takes the next value, `%%` is a percent sign.
fn filled(template: &str, values: &[&str]) -> String {
    let mut values = values.iter();
    let mut text = String::with_capacity(template.len() + 80);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        rest = match after.as_bytes().first() {
            Some(b's') => {
                text.push_str(values.next().copied().unwrap_or_default());
                &after[1..]
            }
            Some(b'%') => {
                text.push('%');
                &after[1..]
            }
            _ => {
                text.push('%');
                after
            }
        };
    }
    text.push_str(rest);
    text
}

/// The message goes in as it is, unescaped, as Kong does.
pub fn render(format: Format, compat: Compat, message: &str, request_id: &str) -> String {
    match (format, compat) {
        (Format::Empty, _) => String::new(),
        (Format::Json, Compat::Kong3) => {
            ["{\n  \"message\":\"", message, "\",\n  \"request_id\":\"", request_id, "\"\n}"].concat()
        }
        (Format::Json, Compat::Kong21) => ["{\n  \"message\":\"", message, "\"\n}"].concat(),
        (Format::Plain, Compat::Kong3) => [message, "\nrequest_id: ", request_id, "\n"].concat(),
        (Format::Plain, Compat::Kong21) => [message, "\n"].concat(),
        (Format::Xml, Compat::Kong3) => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>{message}</message>\n  \
             <requestid>{request_id}</requestid>\n</error>\n"
        ),
        (Format::Xml, Compat::Kong21) => {
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>{message}</message>\n</error>\n")
        }
        (Format::Html, Compat::Kong3) => {
            html("Error", &format!("<p>{message}.</p>\n    <p>request_id: {request_id}</p>"))
        }
        (Format::Html, Compat::Kong21) => html("Kong Error", &format!("<p>{message}.</p>")),
    }
}

/// Kong 2.1's `response.exit`: compact JSON whatever the client accepts.
pub fn compact(message: &str) -> String {
    format!("{{\"message\":\"{message}\"}}")
}

/// Content type and body of nginx's own page: for a redirect, and for what Kong has no words for (kong.md §3.9).
pub fn nginx_page(status: u16) -> (&'static str, String) {
    let (reason, content_type) = match status {
        301 => ("Moved Permanently", "text/html"),
        302 => ("Found", "text/html"),
        307 => ("Temporary Redirect", "text/html; charset=UTF-8"),
        501 => ("Not Implemented", "text/html; charset=UTF-8"),
        _ => ("Permanent Redirect", "text/html; charset=UTF-8"),
    };
    let title = format!("{status} {reason}");
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         </body>\r\n</html>\r\n"
    );
    (content_type, page)
}

fn html(title: &str, paragraphs: &str) -> String {
    format!(
        "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    <title>{title}</title>\n  </head>\n  \
         <body>\n    <h1>{title}</h1>\n    {paragraphs}\n  </body>\n</html>\n"
    )
}

/// Kong's mapping of a reply's HTTP status to a gRPC status.
pub fn grpc_status(status: u16) -> u16 {
    match status {
        200..=299 => 0,
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 6,
        429 => 8,
        499 => 1,
        501 => 12,
        503 => 14,
        504 => 4,
        500.. => 13,
        400..=499 => 3,
        _ => 2,
    }
}

/// What Kong says of a gRPC status where a reply has no message.
pub fn grpc_message(grpc_status: u16) -> &'static str {
    const MESSAGES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    MESSAGES.get(usize::from(grpc_status)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_decides() {
        for (accept, expected) in [
            ("*/*", Format::Json),
            ("text/html", Format::Html),
            ("TEXT/HTML", Format::Json),
            ("text/*", Format::Plain),
            ("image/*", Format::Json),
            ("text/html;q=0.3, application/json;q=0.9", Format::Json),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Format::Html),
            ("application/json;q=0.1, text/plain", Format::Plain),
            ("application/grpc", Format::Empty),
            ("", Format::Json),
            (";;q=,,q=9", Format::Json),
        ] {
            assert_eq!(best_format(accept.as_bytes()), expected, "{accept}");
        }
    }

    #[test]
    fn proxy_errors_fall_back_to_the_content_type() {
        let choose = |accept, content_type| Formats::choose(accept, content_type, Format::Plain);
        assert_eq!(choose(None, None), Formats::DEFAULT);
        assert_eq!(choose(None, Some(b"text/html")).proxy, Format::Html);
        assert_eq!(choose(None, Some(b"text/html")).plugin, Format::Json);
        assert_eq!(choose(Some(b"text/plain"), Some(b"text/html")).proxy, Format::Plain);
        assert_eq!(Formats::choose(None, None, Format::Xml).proxy, Format::Xml);
    }

    #[test]
    fn templates_take_the_place_of_kongs_pages() {
        let json = serde_json::json!({"compat": "kong-3", "server_token": "t",
            "error_templates": {"html": "<b>%s</b> 100%% %d %s %s%"}});
        let settings = Settings::parse(&json.to_string()).unwrap();
        assert_eq!(page(&settings, Format::Html, "No %s", "id"), "<b>No %s</b> 100% %d id %");
        assert_eq!(page(&settings, Format::Plain, "No", "id"), "No\nrequest_id: id\n");
    }

    #[test]
    fn pages_have_nginx_lengths() {
        for (status, length) in [(301, 134), (302, 110), (307, 136), (308, 136), (501, 130)] {
            assert_eq!(nginx_page(status).1.len(), length, "{status}");
        }
    }

    #[test]
    fn json_of_both_generations() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(render(Format::Json, Compat::Kong3, "No API key found in request", id).len(), 96);
        assert_eq!(
            render(Format::Json, Compat::Kong21, "API rate limit exceeded", id),
            "{\n  \"message\":\"API rate limit exceeded\"\n}"
        );
        assert_eq!(compact("no Route matched with those values").len(), 48);
        assert_eq!(render(Format::Xml, Compat::Kong3, &"x".repeat(57), id).len(), 193);
    }
}
