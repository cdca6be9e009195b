//! Who asks: the client's address, and what a trusted peer may say in its place (kong.md §3.8 and §11).

use crate::request::{Request, address_without_port};
use crate::tables::{RealIp, Settings};
use std::borrow::Cow;
use std::net::IpAddr;

#[derive(Debug)]
pub struct Client<'a> {
    /// The peer's address, or what a trusted peer tells as its client's.
    pub address: Cow<'a, str>,
    /// The address of the connection's other end.
    pub peer: &'a str,
    is_trusted: bool,
}

impl<'a> Client<'a> {
    pub fn of(settings: &Settings, request: &Request<'a>) -> Self {
        let peer = request.peer.unwrap_or_default();
        let trusts_some = !settings.trusted.is_empty();
        let trusted = trusts_some.then(|| peer.parse().ok()).flatten().filter(|peer| settings.trusts(*peer));
        let told = trusted.and_then(|peer| told_address(settings, request, peer));
        Self {
            address: told.map_or(Cow::Borrowed(peer), |address| Cow::Owned(address.to_string())),
            peer,
            is_trusted: trusted.is_some(),
        }
    }

    /// What a trusted peer says under an `X-Forwarded-*` name; an empty value is said too.
    pub fn told<'r>(&self, request: &'r Request<'_>, name: &str) -> Option<&'r [u8]> {
        if !self.is_trusted {
            return None;
        }
        // Envoy has put its own in place of this one.
        if name == "x-forwarded-proto" {
            return request.forwarded_proto.as_deref();
        }
        request.header(name.as_bytes())
    }

    /// Whether the client's own connection has TLS.
    pub fn has_tls(&self, request: &Request<'_>) -> bool {
        self.told(request, "x-forwarded-proto").map_or(request.is_tls, |scheme| scheme == b"https")
    }
}

fn told_address(settings: &Settings, request: &Request<'_>, peer: IpAddr) -> Option<IpAddr> {
    match &settings.real_ip {
        RealIp::ProxyProtocol => request.connection.source_address().and_then(address_without_port)?.parse().ok(),
        RealIp::Header(name) => forwarded_address(settings, request.header(name.as_bytes())?, peer),
    }
}

/// The last address of a list; if `recursive`, the last one that is not trusted, or else the first. As with nginx only
/// what is readable up to there counts.
fn forwarded_address(settings: &Settings, list: &[u8], peer: IpAddr) -> Option<IpAddr> {
    let mut found = None;
    for entry in list.rsplit(|byte| matches!(byte, b' ' | b',')).filter(|entry| !entry.is_empty()) {
        if !settings.trusts(found.unwrap_or(peer)) {
            break;
        }
        let Some(address) = listed_address(entry) else { break };
        found = Some(address);
        if !settings.real_ip_recursive {
            break;
        }
    }
    found
}

/// `192.0.2.1`, `2001:db8::1`, or either with a port, IPv6 in brackets then.
fn listed_address(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?;
    if let Ok(address) = entry.parse() {
        return Some(address);
    }
    let (host, port) = entry.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let address = match host.strip_prefix('[') {
        Some(bracketed) => IpAddr::V6(bracketed.strip_suffix(']')?.parse().ok()?),
        None => IpAddr::V4(host.parse().ok()?),
    };
    (port > 0).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::request;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn settings(extra: Value) -> Settings {
        let mut all = json!({"compat": "kong-3", "server_token": "t", "trusted_ips": ["127.0.0.0/8", "10.0.0.1"]});
        all.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Settings::parse(&all.to_string()).unwrap()
    }

    fn address(extra: Value, peer: &str, headers: &[(&str, &str)]) -> String {
        let asked = Request { peer: Some(peer), ..request("GET", "/", headers) };
        Client::of(&settings(extra), &asked).address.into_owned()
    }

    #[test]
    fn the_last_address_of_the_header_counts() {
        let for_header = || json!({"real_ip_header": "X-Forwarded-For"});
        for (list, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9, 198.51.100.7, 127.0.0.9", "127.0.0.9"),
            ("203.0.113.9,198.51.100.7 , ", "198.51.100.7"),
            ("unknown, nonsense", "127.0.0.1"),
            ("203.0.113.9, nonsense", "127.0.0.1"),
            ("[2001:DB8::1]:4711", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "127.0.0.1"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("203.0.113.9:0", "127.0.0.1"),
            ("203.0.113.9:70000", "127.0.0.1"),
            ("", "127.0.0.1"),
        ] {
            assert_eq!(address(for_header(), "127.0.0.1", &[("x-forwarded-for", list)]), expected, "{list}");
        }
    }

    #[test]
    fn recursive_goes_back_to_the_first_that_is_not_trusted() {
        let recursive = || json!({"real_ip_header": "X-Forwarded-For", "real_ip_recursive": true});
        for (list, expected) in [
            ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
            ("203.0.113.9, 198.51.100.7, 127.0.0.9, 10.0.0.1", "198.51.100.7"),
            ("127.0.0.8, 127.0.0.9", "127.0.0.8"),
            ("198.51.100.7, nonsense, 127.0.0.9", "127.0.0.9"),
        ] {
            assert_eq!(address(recursive(), "127.0.0.1", &[("x-forwarded-for", list)]), expected, "{list}");
        }
    }

    #[test]
    fn any_header_can_tell_it_to_a_trusted_gateway_only() {
        let headers = [("x-real-ip", "203.0.113.5"), ("x-client", "203.0.113.6")];
        assert_eq!(address(json!({}), "127.0.0.1", &headers), "203.0.113.5");
        assert_eq!(address(json!({"real_ip_header": "X-Client"}), "10.0.0.1", &headers), "203.0.113.6");
        assert_eq!(address(json!({}), "10.0.0.2", &headers), "10.0.0.2");
        assert_eq!(address(json!({"trusted_ips": []}), "127.0.0.1", &headers), "127.0.0.1");
    }

    #[test]
    fn the_proxy_protocol_tells_it() {
        // The connection of these tests says 203.0.113.77.
        let by_protocol = || json!({"real_ip_header": "proxy_protocol"});
        assert_eq!(address(by_protocol(), "127.0.0.1", &[("x-real-ip", "203.0.113.5")]), "203.0.113.77");
        assert_eq!(address(by_protocol(), "192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn a_trusted_peer_tells_the_scheme() {
        for (peer, told, expected) in [
            ("127.0.0.1", Some("https"), true),
            ("127.0.0.1", Some("http"), false),
            ("127.0.0.1", Some("HTTPS"), false),
            ("127.0.0.1", Some("https, http"), false),
            ("127.0.0.1", Some(""), false),
            ("127.0.0.1", None, false),
            ("192.0.2.1", Some("https"), false),
        ] {
            let forwarded_proto = told.map(|told| told.as_bytes().into());
            let asked = Request { peer: Some(peer), forwarded_proto, ..request("GET", "/", &[]) };
            assert_eq!(Client::of(&settings(json!({})), &asked).has_tls(&asked), expected, "{peer} {told:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_peer_lists_is_an_address(list in "[0-9a-f:., \\[\\]]{0,60}", recursive: bool) {
            let extra = json!({"real_ip_header": "X-Forwarded-For", "real_ip_recursive": recursive});
            let found = address(extra, "127.0.0.1", &[("x-forwarded-for", &list)]);
            prop_assert!(found.parse::<IpAddr>().is_ok());
        }
    }
}
