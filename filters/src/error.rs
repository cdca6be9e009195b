//! Why a configuration is refused. Envoy's NACK does not carry it, so it goes to Envoy's log and to the control plane.

use crate::router::PatternError;
use std::borrow::Cow;
use std::fmt;

#[derive(Debug)]
pub enum ConfigError {
    Json(serde_json::Error),
    UnknownPlugin(String),
    UnknownFilter(String),
    Invalid(Cow<'static, str>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(out, "the configuration is not valid: {error}"),
            Self::UnknownPlugin(name) => write!(out, "there is no plugin \"{name}\" in this module"),
            Self::UnknownFilter(name) => {
                write!(
                    out,
                    "there is no filter \"{name}\" in this module; use \"gateway\", \"cached\", \"root\" or \"shard\""
                )
            }
            Self::Invalid(reason) => out.write_str(reason),
        }
    }
}

impl From<PatternError> for ConfigError {
    fn from(error: PatternError) -> Self {
        Self::Invalid(error.to_string().into())
    }
}

impl From<serde_json::Error> for ConfigError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}
