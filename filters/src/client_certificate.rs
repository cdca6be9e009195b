//! The certificate that a client has shown in the TLS handshake, and what it sent along to prove it.
//!
//! Envoy tells it in a header of its own making, on connections of which a certificate was asked; it takes away what a client
//! says under that name. Modules have no other way to all of the chain (ABI v0.2.0).

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub const HEADER: &str = "x-forwarded-client-cert";

/// Nobody needs more to get from a certificate to its root.
const MOST_CERTIFICATES: usize = 16;
/// As PEM, escaped. A handshake may hold four times as much, which each of a connection's requests would carry.
pub const LONGEST: usize = 64 * 1024;

/// In place of a longer one: a certificate was shown, and nobody can vouch for it.
pub const TOO_LONG: &[u8] = b"Chain=\"-\"";

/// Of the header's value the chain as PEM, escaped as in a URL. It stands last, and no quotes stand in it.
pub fn chain_in(value: &[u8]) -> Option<&[u8]> {
    let chain = value.strip_suffix(b"\"")?;
    let start = memchr::memmem::rfind(chain, b"Chain=\"")? + b"Chain=\"".len();
    Some(&chain[start..]).filter(|chain| !chain.is_empty())
}

/// The client's own certificate first; None where it is not a list of such.
pub fn certificates(chain: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    if chain.len() > LONGEST {
        return None;
    }
    let pem = unescaped(chain)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).take(MOST_CERTIFICATES + 1).collect();
    found.ok().filter(|all| (1..=MOST_CERTIFICATES).contains(&all.len()))
}

fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let digits = rest.get(at + 1..at + 3)?;
        let mut byte = [0];
        hex::decode_to_slice(digits, &mut byte).ok()?;
        bytes.extend_from_slice(&rest[..at]);
        bytes.push(byte[0]);
        rest = &rest[at + 3..];
    }
    bytes.extend_from_slice(rest);
    Some(bytes)
}

#[cfg(test)]
pub mod testing {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    /// As Envoy tells it.
    pub fn header(chain: &[&[u8]]) -> String {
        let pem: String = chain.iter().map(|der| pem(der)).collect();
        let escaped = pem.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B");
        format!("Hash=00;Chain=\"{}\"", escaped.replace('/', "%2F").replace('=', "%3D"))
    }

    fn pem(der: &[u8]) -> String {
        let lines: Vec<_> = STANDARD.encode(der).into_bytes().chunks(64).map(<[u8]>::to_vec).collect();
        let body = String::from_utf8(lines.join(&b'\n')).unwrap();
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }
}

#[cfg(test)]
mod tests {
    use super::testing::header;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_chain_of_the_header() {
        let sent = header(&[b"leaf", b"intermediate"]);
        let found = certificates(chain_in(sent.as_bytes()).unwrap()).unwrap();
        assert_eq!(found.iter().map(AsRef::as_ref).collect::<Vec<_>>(), [&b"leaf"[..], b"intermediate"]);
    }

    #[test]
    fn whatever_else_stands_there() {
        for (value, expected) in [
            ("", None),
            ("Hash=00", None),
            ("Chain=\"\"", None),
            ("Chain=\"a", None),
            ("By=spiffe://a;Chain=\"x\";Hash=00;Chain=\"b\"", Some("b")),
        ] {
            assert_eq!(chain_in(value.as_bytes()), expected.map(str::as_bytes), "{value}");
        }
        let many: Vec<&[u8]> = vec![b"a"; MOST_CERTIFICATES + 1];
        for (chain, count) in [(&many[..], None), (&many[1..], Some(MOST_CERTIFICATES)), (&[], None)] {
            let sent = header(chain);
            let found = chain_in(sent.as_bytes()).and_then(certificates);
            assert_eq!(found.map(|all| all.len()), count);
        }
        assert_eq!(chain_in(TOO_LONG).and_then(certificates), None);
        assert!(chain_in(TOO_LONG).is_some());
        for chain in [&b"%"[..], b"%4", b"%zz", b"%2B", &vec![b'a'; LONGEST + 1]] {
            assert_eq!(certificates(chain), None);
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(value: Vec<u8>, text in "(%[0-9A-F]{2}|-----(BEGIN|END) CERTIFICATE-----|[A-Za-z0-9+/=\n]){0,40}") {
            let _ = chain_in(&value);
            let _ = certificates(&value);
            let _ = certificates(text.as_bytes());
        }
    }
}
