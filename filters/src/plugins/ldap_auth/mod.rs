//! The plugin ldap-auth: a directory vouches for a username and a password (kong.md §5.8).

mod directory;
mod login;
mod message;
mod remembered;
#[cfg(test)]
mod tests;

use crate::error::ConfigError;
use crate::exchange::{Exchange, Verdict};
use crate::net::{self, Endpoint};
use crate::plugins::{Plugin, authentication, checks};
use crate::tables::Compat;
use crate::waiting::{Outcome, Wait};
use directory::{Directory, Judgement, Place, Security};
use login::Login;
use serde::Deserialize;
use serde_json::Value;
use std::time::{Duration, Instant};

/// In the order in which they are asked.
const HEADERS: [&str; 2] = ["proxy-authorization", "authorization"];
/// nginx's own timeout, which counts in place of none.
const NO_TIMEOUT_MS: f64 = 60_000.0;
/// A connection that may be idle for any time.
const NO_KEEPALIVE_MS: f64 = 86_400_000.0;
const LONGEST_MS: f64 = 2_147_483_646.0;
const LONGEST_TTL: f64 = 100_000_000.0;

#[derive(Debug)]
struct LdapAuth {
    /// Id or username of the consumer to whom a request without a valid login belongs.
    anonymous: Option<Box<str>>,
    hide_credentials: bool,
    /// Before the login in a header, in any case.
    scheme: Box<str>,
    challenge: Box<str>,
    old_challenge: Box<str>,
    directory: Directory,
    attribute: Box<str>,
    base_dn: Box<str>,
    /// None: the directory is asked each time.
    remembers_for: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    ldap_host: String,
    ldap_port: u16,
    ldaps: bool,
    start_tls: bool,
    verify_ldap_host: bool,
    base_dn: Box<str>,
    attribute: Box<str>,
    cache_ttl: f64,
    hide_credentials: bool,
    timeout: f64,
    keepalive: f64,
    anonymous: Option<Box<str>>,
    header_type: Box<str>,
    realm: Option<String>,
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    let config: Config = serde_json::from_value(config)?;
    for (field, text) in [("ldap_host", &*config.ldap_host), ("base_dn", &config.base_dn)] {
        checks::some_text(field, text)?;
    }
    checks::header_value("header_type", &config.header_type)?;
    if let Some(realm) = &config.realm {
        checks::header_value("realm", realm)?;
    }
    if config.anonymous.as_deref() == Some("") {
        return Err(ConfigError::Invalid("anonymous must name a consumer".into()));
    }
    if !is_attribute(&config.attribute) {
        return Err(ConfigError::Invalid("attribute: expected an attribute's name or its number".into()));
    }
    let scheme = if &*config.header_type == "ldap" { "LDAP" } else { &config.header_type };
    let challenge =
        config.realm.as_ref().map_or_else(|| scheme.to_owned(), |realm| format!("{scheme} realm=\"{realm}\""));
    let ttl = within("cache_ttl", config.cache_ttl, LONGEST_TTL)?;
    Ok(Box::new(LdapAuth {
        challenge: challenge.into(),
        old_challenge: format!("{scheme} realm=\"kong\"").into(),
        directory: directory(&config)?,
        anonymous: config.anonymous,
        hide_credentials: config.hide_credentials,
        scheme: config.header_type,
        attribute: config.attribute,
        base_dn: config.base_dn,
        remembers_for: (ttl > 0.0).then(|| Duration::from_secs_f64(ttl)),
    }))
}

fn directory(config: &Config) -> Result<Directory, ConfigError> {
    let security = match (config.ldaps, config.start_tls) {
        (true, true) => {
            return Err(ConfigError::Invalid("'ldaps' and 'start_tls' cannot be enabled simultaneously".into()));
        }
        (true, false) => Security::Ldaps,
        (false, true) => Security::StartTls,
        (false, false) => Security::Plain,
    };
    if security != Security::Plain {
        let text = format!("ldap_host: {} is no name that a certificate could have", config.ldap_host.escape_debug());
        net::server_name(&config.ldap_host).map_err(|_| ConfigError::Invalid(text.into()))?;
    }
    let duration = |field, ms, instead_of_none| {
        let ms = within(field, ms, LONGEST_MS)?;
        Ok::<_, ConfigError>(Duration::from_secs_f64(if ms > 0.0 { ms } else { instead_of_none } / 1000.0))
    };
    Ok(Directory {
        place: Place {
            endpoint: Endpoint { host: config.ldap_host.clone(), port: config.ldap_port, tls: None },
            security,
            verifies: config.verify_ldap_host,
        },
        timeout: duration("timeout", config.timeout, NO_TIMEOUT_MS)?,
        keepalive: duration("keepalive", config.keepalive, NO_KEEPALIVE_MS)?,
    })
}

fn within(field: &str, number: f64, highest: f64) -> Result<f64, ConfigError> {
    if (0.0..=highest).contains(&number) {
        return Ok(number);
    }
    Err(ConfigError::Invalid(format!("{field}: value should be between 0 and {highest}").into()))
}

/// RFC 4512 §1.4: a name, or the number of one.
fn is_attribute(text: &str) -> bool {
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_number =
        |text: &str| text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && is_name(text) || is_number(text)
}

#[derive(Clone, Copy)]
enum Refusal {
    NoHeader,
    WrongLogin,
}

impl Plugin for LdapAuth {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        if authentication::is_settled(exchange, self.anonymous.as_deref()) {
            return Verdict::Continue;
        }
        if HEADERS.iter().all(|name| exchange.header(name).is_none()) {
            return self.refuse(exchange, Refusal::NoHeader);
        }
        self.authenticate(exchange, 0)
    }

    fn on_outcome(&self, exchange: &mut Exchange<'_, '_>, outcome: Outcome) -> Verdict {
        let asked = exchange.note.first().copied().map_or(HEADERS.len(), usize::from);
        let login = HEADERS.get(asked).and_then(|name| self.login(exchange, name));
        match (outcome.into::<Option<Judgement>>(), login) {
            (Ok(Some(Judgement::Right)), Some(login)) => self.accept(exchange, &login),
            (Ok(Some(Judgement::Wrong | Judgement::Unsaid)), _) => self.authenticate(exchange, asked + 1),
            _ => Verdict::Reply(exchange.error(500, "An unexpected error occurred")),
        }
    }
}

impl LdapAuth {
    fn login(&self, exchange: &Exchange<'_, '_>, name: &str) -> Option<Login> {
        exchange.header(name).and_then(|value| Login::read(value, &self.scheme))
    }

    /// The first header from `first` on whose login is right decides.
    fn authenticate(&self, exchange: &mut Exchange<'_, '_>, first: usize) -> Verdict {
        for (place, name) in HEADERS.iter().enumerate().skip(first) {
            let Some(login) = self.login(exchange, name) else { continue };
            let key = self.key(&login);
            match key.and_then(|key| remembered::find(&key, Instant::now())) {
                Some(true) => return self.accept(exchange, &login),
                Some(false) => (),
                None => {
                    // One of two.
                    *exchange.note = vec![place as u8];
                    return Verdict::Wait(self.ask(login, key));
                }
            }
        }
        self.refuse(exchange, Refusal::WrongLogin)
    }

    /// By which a login at this directory is known; None if nothing is to be remembered.
    fn key(&self, login: &Login) -> Option<remembered::Key> {
        let ttl = self.remembers_for?;
        let Place { endpoint, security, verifies } = &self.directory.place;
        remembered::key(&[
            endpoint.host.as_bytes(),
            &endpoint.port.to_be_bytes(),
            &[*security as u8, u8::from(*verifies)],
            self.base_dn.as_bytes(),
            self.attribute.as_bytes(),
            &ttl.as_nanos().to_be_bytes(),
            login.username.as_bytes(),
            &login.password,
        ])
    }

    fn ask(&self, login: Login, key: Option<remembered::Key>) -> Wait {
        let name = login.distinguished_name(&self.attribute, &self.base_dn);
        let (directory, remembers_for) = (self.directory.clone(), self.remembers_for);
        let lane = format!("ldap {}", directory.place.endpoint);
        Wait::for_job(lane, directory.timeout, move || {
            let judgement = directory.judge(&name, &login.password);
            if let (Some(key), Some(time), Some(Judgement::Right | Judgement::Wrong)) = (key, remembers_for, judgement)
            {
                remembered::remember(key, judgement == Some(Judgement::Right), Instant::now() + time);
            }
            judgement
        })
    }

    fn accept(&self, exchange: &mut Exchange<'_, '_>, login: &Login) -> Verdict {
        if self.hide_credentials {
            HEADERS.iter().for_each(|name| exchange.upstream.remove(*name));
        }
        let place = format!("{}\0{}\0{}\0", self.directory.place.endpoint, self.attribute, self.base_dn);
        let id = authentication::digest(&exchange.settings().salt, format!("{place}{}", login.username).as_bytes());
        authentication::accept_stranger(exchange, &login.username, &id)
    }

    fn refuse(&self, exchange: &mut Exchange<'_, '_>, refusal: Refusal) -> Verdict {
        let (message, challenge) = match (exchange.compat(), refusal) {
            (Compat::Kong3, _) => ("Unauthorized", Some(&self.challenge)),
            (Compat::Kong21, Refusal::NoHeader) => ("Unauthorized", Some(&self.old_challenge)),
            (Compat::Kong21, Refusal::WrongLogin) => ("Invalid authentication credentials", None),
        };
        let mut reply = exchange.error(401, message);
        if let Some(challenge) = challenge {
            reply = reply.with_header("www-authenticate", challenge.as_bytes());
        }
        authentication::refuse(exchange, self.anonymous.as_deref(), reply)
    }
}
