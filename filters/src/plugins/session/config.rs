//! A session plugin's configuration, made ready to use.

use super::cookie::{Attributes, Cookie};
use super::state::Timeouts;
use crate::error::ConfigError;
use crate::sealed::Sealer;
use serde::Deserialize;
use serde_json::Value;

/// Longer names and audiences would leave no room for the rest of a cookie.
const LONGEST: usize = 1024;

#[derive(Debug)]
pub struct Settings {
    pub sealer: Sealer,
    pub audience: Box<str>,
    pub timeouts: Timeouts,
    pub cookie: Cookie,
    pub remember: Option<Remember>,
    pub response_headers: Vec<Property>,
    pub request_headers: Vec<Property>,
    pub logout: Logout,
}

/// The second cookie, which outlives the browser.
#[derive(Debug)]
pub struct Remember {
    pub cookie: Cookie,
    pub timeouts: Timeouts,
    /// Seconds that browsers keep it.
    pub max_age: u64,
}

#[derive(Debug)]
pub struct Logout {
    pub reads_body: bool,
    pub methods: Vec<Box<str>>,
    pub query_arg: Box<str>,
    pub post_arg: Box<str>,
}

/// What can be told of a session in headers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Property {
    Id,
    Audience,
    Subject,
    Timeout,
    IdlingTimeout,
    RollingTimeout,
    AbsoluteTimeout,
}

impl Property {
    pub fn header(self) -> &'static str {
        match self {
            Self::Id => "session-id",
            Self::Audience => "session-audience",
            Self::Subject => "session-subject",
            Self::Timeout => "session-timeout",
            Self::IdlingTimeout => "session-idling-timeout",
            Self::RollingTimeout => "session-rolling-timeout",
            Self::AbsoluteTimeout => "session-absolute-timeout",
        }
    }
}

#[derive(Deserialize)]
struct Raw {
    secret: Option<Box<str>>,
    audience: Box<str>,
    idling_timeout: f64,
    rolling_timeout: f64,
    absolute_timeout: f64,
    cookie_name: Box<str>,
    cookie_path: Box<str>,
    cookie_domain: Option<Box<str>>,
    cookie_same_site: Box<str>,
    cookie_http_only: bool,
    cookie_secure: bool,
    remember: bool,
    remember_cookie_name: Box<str>,
    remember_rolling_timeout: f64,
    remember_absolute_timeout: f64,
    response_headers: Option<Vec<Property>>,
    request_headers: Option<Vec<Property>>,
    read_body_for_logout: bool,
    logout_methods: Vec<Box<str>>,
    logout_query_arg: Box<str>,
    logout_post_arg: Box<str>,
}

pub fn read(config: Value) -> Result<Settings, ConfigError> {
    let raw: Raw = serde_json::from_value(config)?;
    check(&raw)?;
    let attributes = Attributes {
        domain: raw.cookie_domain.as_deref(),
        path: &raw.cookie_path,
        same_site: &raw.cookie_same_site,
        is_secure: raw.cookie_secure,
        is_http_only: raw.cookie_http_only,
    }
    .text();
    let sealer = Sealer::new("session", raw.secret.as_deref().map(str::as_bytes));
    Ok(Settings {
        sealer: sealer.ok_or(ConfigError::Invalid("the system gives no random numbers for a secret".into()))?,
        audience: raw.audience,
        timeouts: Timeouts { idling: raw.idling_timeout, rolling: raw.rolling_timeout, absolute: raw.absolute_timeout },
        cookie: Cookie::new(&raw.cookie_name, &attributes),
        remember: raw.remember.then(|| Remember {
            cookie: Cookie::new(&raw.remember_cookie_name, &attributes),
            timeouts: Timeouts {
                idling: 0.0,
                rolling: raw.remember_rolling_timeout,
                absolute: raw.remember_absolute_timeout,
            },
            max_age: max_age(raw.remember_rolling_timeout),
        }),
        response_headers: raw.response_headers.unwrap_or_default(),
        request_headers: raw.request_headers.unwrap_or_default(),
        logout: Logout {
            reads_body: raw.read_body_for_logout,
            methods: raw.logout_methods,
            query_arg: raw.logout_query_arg,
            post_arg: raw.logout_post_arg,
        },
    })
}

/// For ever is 400 days: browsers keep nothing longer.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within bounds by then
fn max_age(timeout: f64) -> u64 {
    const LONGEST_S: f64 = 34_560_000.0;
    (if timeout > 0.0 { timeout.min(LONGEST_S) } else { LONGEST_S }) as u64
}

/// A text must not end its cookie, nor a cookie its header.
fn check(raw: &Raw) -> Result<(), ConfigError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+.^_`|~-".contains(&byte);
    let is_value = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b';';
    let refused = |field: &str| Err(ConfigError::Invalid(format!("{field} cannot stand in a cookie").into()));
    for (field, name) in [("cookie_name", &raw.cookie_name), ("remember_cookie_name", &raw.remember_cookie_name)] {
        if name.is_empty() || name.len() > LONGEST || !name.bytes().all(is_token) {
            return refused(field);
        }
    }
    if raw.remember && raw.cookie_name.eq_ignore_ascii_case(&raw.remember_cookie_name) {
        return Err(ConfigError::Invalid("cookie_name and remember_cookie_name must differ".into()));
    }
    let domain = raw.cookie_domain.as_deref().unwrap_or_default();
    let texts =
        [("cookie_path", &*raw.cookie_path), ("cookie_domain", domain), ("cookie_same_site", &raw.cookie_same_site)];
    for (field, text) in texts {
        if text.len() > LONGEST || !text.bytes().all(is_value) {
            return refused(field);
        }
    }
    if raw.audience.len() > LONGEST {
        return refused("audience");
    }
    Ok(())
}
