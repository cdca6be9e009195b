//! Why a configuration is refused. Envoy's NACK does not carry it, so it goes to Envoy's log.

use std::fmt;

#[derive(Debug)]
pub enum ConfigError {
    Json(serde_json::Error),
    Regex(Box<regex::Error>),
    UnknownPlugin(String),
    UnknownFilter(String),
    Invalid(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(out, "the configuration is not valid: {error}"),
            Self::Regex(error) => write!(out, "path_regex is not valid: {error}"),
            Self::UnknownPlugin(name) => write!(out, "there is no plugin \"{name}\" in this module"),
            Self::UnknownFilter(name) => {
                write!(out, "there is no filter \"{name}\" in this module; use \"gateway\" or \"consumers\"")
            }
            Self::Invalid(reason) => out.write_str(reason),
        }
    }
}

impl From<serde_json::Error> for ConfigError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl From<regex::Error> for ConfigError {
    fn from(error: regex::Error) -> Self {
        Self::Regex(Box::new(error))
    }
}
