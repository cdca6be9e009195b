//! The configuration's part for browsers: signing in, sessions, signing out.

use super::client::Client;
use super::config::invalid;
use super::jar::{self, Jar};
use super::sessions::{self, Logout, Sessions};
use super::signin::{Mode, SignIn};
use crate::error::ConfigError;
use crate::sealed::Sealer;
use crate::text::is_header_value;
use serde::Deserialize;
use std::sync::Arc;
use ureq::http::Uri;

#[derive(Debug)]
pub struct Browser {
    pub sign_in: Option<SignIn>,
    pub sessions: Option<Sessions>,
    pub logout: Logout,
    pub login: Login,
    pub unauthorized_ends_session: bool,
    pub forbidden_ends_session: bool,
}

/// What happens once somebody has signed in.
#[derive(Debug, Deserialize)]
pub struct Login {
    pub methods: Vec<Method>,
    pub action: Action,
    pub redirect_uri: Option<Box<str>>,
    pub tokens: Vec<Told>,
    pub redirect_mode: Place,
}

/// By what a caller was known.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    AuthorizationCode,
    Bearer,
    ClientCredentials,
    Introspection,
    Password,
    Session,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Upstream,
    Redirect,
    Response,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Told {
    #[serde(rename = "id_token")]
    Id,
    #[serde(rename = "access_token")]
    Access,
    #[serde(rename = "refresh_token")]
    Refresh,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Query,
    Fragment,
}

#[derive(Deserialize)]
pub struct RawBrowser {
    audience: Box<str>,
    sign_in: Option<RawSignIn>,
    sessions: Option<sessions::Raw>,
    logout: Logout,
    login: Login,
    unauthorized_destroy_session: bool,
    forbidden_destroy_session: bool,
}

#[derive(Deserialize)]
struct RawSignIn {
    cookie: jar::Raw,
    timeout: f64,
    redirect_uri: Option<Box<str>>,
    response_mode: Mode,
    pkce: Option<bool>,
    extra: Vec<(Box<str>, Box<str>)>,
    preserve_query_args: bool,
}

impl Browser {
    pub fn new(raw: RawBrowser, sealer: &Arc<Sealer>, client: &Client) -> Result<Self, ConfigError> {
        let bound_to = format!("{}\n{}\n{}", client.issuer.source().url, client.id, raw.audience);
        let uris = [&raw.logout.redirect_uri, &raw.login.redirect_uri];
        let own = raw.sign_in.as_ref().and_then(|sign_in| sign_in.redirect_uri.as_deref());
        for uri in uris.into_iter().flatten().map(|uri| &**uri).chain(own) {
            location(uri)?;
        }
        let sign_in = raw.sign_in.map(|raw| {
            Ok::<_, ConfigError>(SignIn {
                jar: Jar::new(&raw.cookie, "authorization_cookie", sealer, &format!("sign-in\n{bound_to}"))?,
                redirect_uri: raw.redirect_uri,
                mode: raw.response_mode,
                pkce: raw.pkce,
                extra: raw.extra,
                timeout: raw.timeout,
                keeps_query: raw.preserve_query_args,
            })
        });
        let sign_in = sign_in.transpose()?;
        let sessions = raw.sessions.map(|raw| Sessions::new(&raw, sealer, &bound_to)).transpose()?;
        if let (Some(sign_in), Some(sessions)) = (&sign_in, &sessions)
            && sessions.meets(&sign_in.jar)
        {
            return Err(invalid("authorization_cookie_name and session_cookie_name must differ"));
        }
        Ok(Self {
            sign_in,
            sessions,
            logout: raw.logout,
            login: raw.login,
            unauthorized_ends_session: raw.unauthorized_destroy_session,
            forbidden_ends_session: raw.forbidden_destroy_session,
        })
    }
}

/// Refuses what browsers would not follow, or not there where it says.
pub fn location(text: &str) -> Result<(), ConfigError> {
    let uri = text.parse::<Uri>().ok();
    let is_right = uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    if is_right && is_header_value(text.as_bytes()) {
        Ok(())
    } else {
        Err(invalid("addresses to send browsers to must be URLs of http or https"))
    }
}
