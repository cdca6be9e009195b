//! The filters of this module, by the names under which Envoy asks for them.

use crate::config::Gateway;
use crate::consumers::{self, Table};
use crate::error::ConfigError;
use std::sync::Arc;

#[derive(Debug)]
pub enum FilterConfig {
    Gateway(Arc<Gateway>),
    /// Its configuration has been taken over; the filter itself does nothing.
    Consumers,
}

impl FilterConfig {
    pub fn parse(name: &[u8], config: &[u8]) -> Result<Self, ConfigError> {
        match name {
            b"gateway" => Ok(Self::Gateway(Arc::new(Gateway::parse(config)?))),
            b"consumers" => {
                let (table_name, table) = Table::parse(config)?;
                consumers::slot(&table_name).store(Arc::new(table));
                Ok(Self::Consumers)
            }
            other => Err(ConfigError::UnknownFilter(String::from_utf8_lossy(other).into_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_filters_and_says_why_it_refuses() {
        assert!(matches!(
            FilterConfig::parse(b"consumers", br#"{"name": "by-name", "salt": ""}"#),
            Ok(FilterConfig::Consumers)
        ));
        let gateway = br#"{"compat": "kong-3", "server_token": "t", "table": "by-name"}"#;
        let Ok(FilterConfig::Gateway(gateway)) = FilterConfig::parse(b"gateway", gateway) else {
            panic!("the smallest configuration is refused");
        };
        assert_eq!(gateway.server_token, "t");
        let plugin = br#"{"compat": "kong-3", "server_token": "t", "table": "by-name",
            "plugins": [{"plugin": "nope", "configs": [{"id": "i", "rank": 6}]}]}"#;
        let regex = br#"{"compat": "kong-3", "server_token": "t", "table": "by-name", "route": {"path_regex": "("}}"#;
        for (name, config, reason) in [
            ("other", b"{}".as_slice(), "no filter \"other\""),
            ("gateway", plugin, "no plugin \"nope\""),
            ("gateway", regex, "path_regex is not valid"),
            ("gateway", b"{", "the configuration is not valid"),
            ("consumers", br#"{"name": "t", "salt": "x"}"#, "the salt is not hexadecimal"),
        ] {
            let error = FilterConfig::parse(name.as_bytes(), config).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
