//! What Kong says where an answer has a status and no words of its own (kong.md §3.9).

use std::borrow::Cow;

#[rustfmt::skip]
const MESSAGES: [(u16, &str); 39] = [
    (400, "Bad request"), (401, "Unauthorized"), (402, "Payment required"), (403, "Forbidden"), (404, "Not found"),
    (405, "Method not allowed"), (406, "Not acceptable"), (407, "Proxy authentication required"),
    (408, "Request timeout"), (409, "Conflict"), (410, "Gone"), (411, "Length required"), (412, "Precondition failed"),
    (413, "Payload too large"), (414, "URI too long"), (415, "Unsupported media type"), (416, "Range not satisfiable"),
    (417, "Expectation failed"), (418, "I'm a teapot"), (421, "Misdirected request"), (422, "Unprocessable entity"),
    (423, "Locked"), (424, "Failed dependency"), (425, "Too early"), (426, "Upgrade required"),
    (428, "Precondition required"), (429, "Too many requests"), (431, "Request header fields too large"),
    (451, "Unavailable for legal reasons"), (494, "Request header or cookie too large"),
    (500, "An unexpected error occurred"), (501, "Not implemented"),
    (502, "An invalid response was received from the upstream server"),
    (503, "The upstream server is currently unavailable"), (504, "The upstream server is timing out"),
    (505, "HTTP version not supported"), (506, "Variant also negotiates"), (507, "Insufficient storage"),
    (508, "Loop detected"),
];

pub fn of_status(status: u16) -> Cow<'static, str> {
    let known = MESSAGES.iter().find(|(other, _)| *other == status).map(|(_, message)| Cow::Borrowed(*message));
    known.unwrap_or_else(|| Cow::Owned(format!("The upstream server responded with {status}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (status, message) in [
            (418, "I'm a teapot"),
            (505, "HTTP version not supported"),
            (599, "The upstream server responded with 599"),
        ] {
            assert_eq!(of_status(status), message);
        }
    }
}
