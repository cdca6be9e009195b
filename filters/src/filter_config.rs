//! The filters of this module, by the names under which Envoy asks for them.

use crate::cached::Door;
use crate::error::ConfigError;
use crate::metrics::scrape::Scrapes;
use crate::tables::{Root, Shard, Store};
use std::sync::Arc;

#[derive(Debug, PartialEq, Eq)]
pub enum FilterConfig {
    Gateway,
    /// Answers everything itself, for the control plane.
    Cached(Arc<Door>),
    /// Shows who scrapes what was counted.
    Metrics(Arc<Scrapes>),
    /// Its configuration has been taken over; no request passes it.
    Table,
}

impl FilterConfig {
    /// `tell` gets what is wrong with single objects of a configuration that is taken all the same.
    pub fn parse(name: &[u8], config: &[u8], store: &Store, tell: impl Fn(&str)) -> Result<Self, ConfigError> {
        let text = || std::str::from_utf8(content(config)).map_err(|_| ConfigError::Invalid("not UTF-8 text".into()));
        match name {
            b"gateway" => return Ok(Self::Gateway),
            b"cached" => return Ok(Self::Cached(Arc::new(Door::parse(text()?)?))),
            b"metrics" => return Ok(Self::Metrics(Arc::new(Scrapes::parse(text()?)?))),
            b"root" => store.set_root(Root::parse(text()?)?),
            b"shard" => {
                let shard = Shard::parse(text()?)?;
                shard.problems.iter().for_each(|problem| tell(problem));
                store.add_shard(shard);
            }
            other => return Err(ConfigError::UnknownFilter(String::from_utf8_lossy(other).into_owned())),
        }
        Ok(Self::Table)
    }
}

/// The text within Envoy's `GenericSecret {secret: DataSource {…}}`, which keeps it out of Envoy's dumps; JSON by itself,
/// as tests give it, stays as it is. Envoy hands the message over in protobuf's encoding: each of the two is one field.
fn content(config: &[u8]) -> &[u8] {
    const SECRET: u8 = 1 << 3 | 2;
    const INLINE: [u8; 2] = [2 << 3 | 2, 3 << 3 | 2];
    let inner = field(config, |tag| tag == SECRET).and_then(|source| field(source, |tag| INLINE.contains(&tag)));
    inner.unwrap_or(config)
}

/// What a message of one field with a length holds.
fn field(message: &[u8], is_wanted: impl Fn(u8) -> bool) -> Option<&[u8]> {
    let (_, mut rest) = message.split_first().filter(|(tag, _)| is_wanted(**tag))?;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let (byte, tail) = rest.split_first()?;
        rest = tail;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return (length == rest.len()).then_some(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn parsed(name: &str, config: &[u8], store: &Store) -> (Result<FilterConfig, String>, Vec<String>) {
        let told = RefCell::new(Vec::new());
        let result =
            FilterConfig::parse(name.as_bytes(), config, store, |text| told.borrow_mut().push(text.to_owned()));
        (result.map_err(|error| error.to_string()), told.into_inner())
    }

    #[test]
    fn tables_are_taken_over_and_single_objects_told() {
        let store = Store::default();
        let shard = br#"{"shard": 0, "version": "v", "instances": [{"id": "bad", "plugin": "nope", "config": {}}]}"#;
        let (result, told) = parsed("shard", shard, &store);
        assert_eq!(result, Ok(FilterConfig::Table));
        assert_eq!(told, ["plugin bad is left out: there is no plugin \"nope\" in this module"]);
        assert!(store.world().is_none());
        let root = br#"{"settings": {"compat": "kong-3", "server_token": "t"}, "shards": ["v"]}"#;
        assert_eq!(parsed("root", root, &store).0, Ok(FilterConfig::Table));
        assert!(store.world().is_some());
        assert_eq!(parsed("gateway", b"", &store).0, Ok(FilterConfig::Gateway));
        assert!(matches!(parsed("metrics", br#"{"admin_port": 9901}"#, &store).0, Ok(FilterConfig::Metrics(_))));
    }

    #[test]
    fn the_content_of_a_secret_is_unwrapped() {
        let wrapped = |text: &[u8]| {
            let length = u8::try_from(text.len()).unwrap();
            [&[0x0a, length + 2, 0x1a, length], text].concat()
        };
        let long = [b"\x0a\xcb\x01\x1a\xc8\x01".as_slice(), &[b'x'; 200]].concat();
        for (config, expected) in [
            (wrapped(b"{}"), b"{}".as_slice()),
            (b"\x0a\x04\x12\x02{}".to_vec(), b"{}"),
            (long.clone(), &long[6..]),
            (b"{\"a\": 1}".to_vec(), b"{\"a\": 1}"),
            (b"\x0a\x05\x1a\x02{}".to_vec(), b"\x0a\x05\x1a\x02{}"),
            ([&[0x0a], [0xff; 12].as_slice()].concat(), &[&[0x0a], [0xff; 12].as_slice()].concat()),
            (b"\x0a".to_vec(), b"\x0a"),
            (Vec::new(), b""),
        ] {
            assert_eq!(content(&config), expected, "{config:?}");
        }
    }

    #[test]
    fn refusals_say_why() {
        let store = Store::default();
        for (name, config, reason) in [
            ("other", b"{}".as_slice(), "no filter \"other\""),
            ("shard", b"{", "the configuration is not valid"),
            ("root", b"{}", "the configuration is not valid"),
            ("root", b"\xff", "not UTF-8"),
            ("cached", b"{\"token\": \"\"}", "the token is too short"),
            ("metrics", b"{}", "the configuration is not valid"),
            ("cached", b"{}", "the configuration is not valid"),
        ] {
            let error = parsed(name, config, &store).0.unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(store.world().is_none());
    }
}
