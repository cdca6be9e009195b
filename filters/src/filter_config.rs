//! The filters of this module, by the names under which Envoy asks for them.

use crate::error::ConfigError;
use crate::tables::{Root, Shard, Store};

#[derive(Debug, PartialEq, Eq)]
pub enum FilterConfig {
    Gateway,
    /// Its configuration has been taken over; no request passes it.
    Table,
}

impl FilterConfig {
    /// `tell` gets what is wrong with single objects of a configuration that is taken all the same.
    pub fn parse(name: &[u8], config: &[u8], store: &Store, tell: impl Fn(&str)) -> Result<Self, ConfigError> {
        let text = || std::str::from_utf8(config).map_err(|_| ConfigError::Invalid("not UTF-8 text".into()));
        match name {
            b"gateway" => return Ok(Self::Gateway),
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
    }

    #[test]
    fn refusals_say_why() {
        let store = Store::default();
        for (name, config, reason) in [
            ("other", b"{}".as_slice(), "no filter \"other\""),
            ("shard", b"{", "the configuration is not valid"),
            ("root", b"{}", "the configuration is not valid"),
            ("root", b"\xff", "not UTF-8"),
        ] {
            let error = parsed(name, config, &store).0.unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(store.world().is_none());
    }
}
