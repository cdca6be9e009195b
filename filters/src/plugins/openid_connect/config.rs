//! The configuration, checked and made ready to use.

use super::checks::Measure;
use super::claims::{Demand, Path};
use super::client::{self, Client};
use super::parts::{self, Browser, RawBrowser};
use crate::error::ConfigError;
use crate::oidc::{self, Issuer, Source};
use crate::plugins::checks;
use crate::sealed::Sealer;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Uri;

const WELL_KNOWN: &str = "/.well-known/openid-configuration";
const DEFAULT_TOKEN_HEADER: &str = "authorization:bearer";

#[derive(Debug)]
pub struct Settings {
    pub issuer: Arc<Issuer>,
    pub measure: Arc<Measure>,
    pub methods: Methods,
    /// Where the provider is asked for tokens, or about them.
    pub client: Option<Arc<Client>>,
    pub browser: Option<Browser>,
    pub caching: Caching,
    pub places: Vec<Place>,
    pub cookie: Option<Box<str>>,
    pub demands: Vec<Demand>,
    pub consumer: Option<ConsumerBy>,
    pub credential_claim: Path,
    pub groups_claim: Option<Path>,
    pub upstream_headers: Vec<ClaimHeader>,
    pub downstream_headers: Vec<ClaimHeader>,
    pub token_header: Option<TokenHeader>,
    pub hides_credentials: bool,
    pub runs_on_preflight: bool,
    pub anonymous: Option<Box<str>>,
    pub unauthorized: Box<str>,
    pub forbidden: Box<str>,
    pub unauthorized_redirect: Option<Box<str>>,
    pub forbidden_redirect: Option<Box<str>>,
}

/// How callers may show who they are.
#[derive(Debug)]
pub struct Methods {
    pub bearer: bool,
    pub introspection: bool,
    /// JWTs too.
    pub introspects_all: bool,
    pub password: bool,
    pub client_credentials: bool,
}

/// For how long what a provider said is good.
#[derive(Debug)]
pub struct Caching {
    pub tokens: bool,
    pub introspection: bool,
    /// Where nothing else says for how long.
    pub lifetime: Duration,
}

impl Caching {
    /// Who keeps answers for another time has others.
    pub fn name(&self) -> String {
        format!("{self:?}")
    }
}

/// Where a bearer token may stand.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    Header,
    Cookie,
    Query,
    Body,
}

#[derive(Debug)]
pub struct ConsumerBy {
    pub claim: Path,
    pub by: Vec<By>,
    pub is_optional: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum By {
    Id,
    Username,
    CustomId,
}

#[derive(Debug)]
pub struct ClaimHeader {
    pub claim: Box<str>,
    /// In lower case.
    pub name: Box<str>,
}

/// Where the upstream finds the token.
#[derive(Debug)]
pub struct TokenHeader {
    pub name: Box<str>,
    /// Written before the token: a scheme and a space, or nothing.
    pub prefix: &'static str,
}

#[derive(Deserialize)]
struct Raw {
    issuer: Box<str>,
    issuers_allowed: Option<Vec<Box<str>>>,
    auth_methods: Vec<Box<str>>,
    client: Option<client::Raw>,
    session_secret: Option<Box<str>>,
    browser: Option<RawBrowser>,
    #[serde(default)]
    introspect_jwt_tokens: bool,
    #[serde(default)]
    cache_tokens: bool,
    #[serde(default)]
    cache_introspection: bool,
    unauthorized_redirect_uri: Option<Box<str>>,
    forbidden_redirect_uri: Option<Box<str>>,
    bearer_token_param_type: Vec<Place>,
    bearer_token_cookie_name: Option<Box<str>>,
    ssl_verify: bool,
    timeout: u64,
    cache_ttl: f64,
    rediscovery_lifetime: f64,
    leeway: f64,
    scopes_required: Option<Vec<Box<str>>>,
    scopes_claim: Path,
    audience_required: Option<Vec<Box<str>>>,
    audience_claim: Path,
    groups_required: Option<Vec<Box<str>>>,
    groups_claim: Path,
    roles_required: Option<Vec<Box<str>>>,
    roles_claim: Path,
    consumer_claim: Option<Path>,
    consumer_by: Vec<By>,
    consumer_optional: bool,
    credential_claim: Path,
    authenticated_groups_claim: Option<Path>,
    upstream_headers_claims: Option<Vec<Box<str>>>,
    upstream_headers_names: Option<Vec<Box<str>>>,
    downstream_headers_claims: Option<Vec<Box<str>>>,
    downstream_headers_names: Option<Vec<Box<str>>>,
    upstream_access_token_header: Option<Box<str>>,
    hide_credentials: bool,
    run_on_preflight: bool,
    anonymous: Option<Box<str>>,
    unauthorized_error_message: Box<str>,
    forbidden_error_message: Box<str>,
}

pub fn read(config: Value) -> Result<Settings, ConfigError> {
    let raw: Raw = serde_json::from_value(config)?;
    if raw.anonymous.as_deref() == Some("") {
        return Err(invalid("anonymous must name a consumer"));
    }
    let source = Source {
        url: discovery_url(&raw.issuer)?,
        verifies: raw.ssl_verify,
        timeout: Duration::from_millis(raw.timeout.max(1)),
        lifetime: seconds(raw.cache_ttl),
        pause: seconds(raw.rediscovery_lifetime),
    };
    let token_header = match (raw.upstream_access_token_header.as_deref(), raw.hide_credentials) {
        (Some(text), _) => Some(token_header(text)?),
        (None, true) => None,
        (None, false) => Some(token_header(DEFAULT_TOKEN_HEADER)?),
    };
    let demands = [
        Demand::new(raw.scopes_claim, raw.scopes_required),
        Demand::new(raw.audience_claim, raw.audience_required),
        Demand::new(raw.groups_claim, raw.groups_required),
        Demand::new(raw.roles_claim, raw.roles_required),
    ];
    let consumer = raw.consumer_claim.filter(|claim| !claim.is_empty());
    for uri in [&raw.unauthorized_redirect_uri, &raw.forbidden_redirect_uri].into_iter().flatten() {
        parts::location(uri)?;
    }
    let has = |name: &str| raw.auth_methods.iter().any(|method| &**method == name);
    let methods = Methods {
        bearer: has("bearer"),
        introspection: has("introspection"),
        introspects_all: raw.introspect_jwt_tokens || !has("bearer"),
        password: has("password"),
        client_credentials: has("client_credentials"),
    };
    let (issuer, leeway) = (oidc::issuer(source), raw.leeway);
    let measure = Arc::new(Measure { issuers_allowed: raw.issuers_allowed.unwrap_or_default(), leeway });
    let client = raw.client.map(|raw| Arc::new(Client::new(raw, Arc::clone(&issuer), Arc::clone(&measure))));
    let asks = methods.introspection || methods.password || methods.client_credentials || raw.browser.is_some();
    if asks && client.is_none() {
        return Err(invalid("client_id must name the gateway's client at the provider"));
    }
    let browser = match (&client, raw.browser) {
        (Some(client), Some(raw_browser)) => {
            let sealer = Sealer::new("openid-connect", raw.session_secret.as_deref().map(str::as_bytes));
            let sealer = sealer.ok_or_else(|| invalid("the system gives no random numbers for a secret"))?;
            Some(Browser::new(raw_browser, &Arc::new(sealer), client)?)
        }
        _ => None,
    };
    Ok(Settings {
        upstream_headers: headers("upstream_headers", raw.upstream_headers_claims, raw.upstream_headers_names)?,
        downstream_headers: headers("downstream_headers", raw.downstream_headers_claims, raw.downstream_headers_names)?,
        issuer,
        measure,
        methods,
        client,
        browser,
        caching: Caching {
            tokens: raw.cache_tokens,
            introspection: raw.cache_introspection,
            lifetime: seconds(raw.cache_ttl),
        },
        places: raw.bearer_token_param_type,
        cookie: raw.bearer_token_cookie_name,
        demands: demands.into_iter().flatten().collect(),
        consumer: consumer.map(|claim| ConsumerBy { claim, by: raw.consumer_by, is_optional: raw.consumer_optional }),
        credential_claim: raw.credential_claim,
        groups_claim: raw.authenticated_groups_claim.filter(|claim| !claim.is_empty()),
        token_header,
        hides_credentials: raw.hide_credentials,
        runs_on_preflight: raw.run_on_preflight,
        anonymous: raw.anonymous,
        unauthorized: raw.unauthorized_error_message,
        forbidden: raw.forbidden_error_message,
        unauthorized_redirect: raw.unauthorized_redirect_uri,
        forbidden_redirect: raw.forbidden_redirect_uri,
    })
}

pub fn invalid(text: impl Into<String>) -> ConfigError {
    ConfigError::Invalid(text.into().into())
}

/// Of the issuer, which may be the document's own URL.
fn discovery_url(issuer: &str) -> Result<Box<str>, ConfigError> {
    let url = issuer.strip_suffix(WELL_KNOWN).unwrap_or(issuer).trim_end_matches('/');
    let uri = url.parse::<Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && is_plain(uri));
    if uri.is_none() || url.contains(['?', '#']) {
        return Err(invalid("issuer is no URL of http or https without user, query and fragment"));
    }
    Ok(format!("{url}{WELL_KNOWN}").into())
}

/// Whether a host and perhaps a port are all that names the server.
fn is_plain(uri: &Uri) -> bool {
    let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else { return false };
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    !host.is_empty() && authority.as_str() == format!("{host}{port}")
}

/// Whatever number it is.
fn seconds(number: f64) -> Duration {
    const LONGEST: f64 = 1e9;
    Duration::try_from_secs_f64(number.clamp(0.0, LONGEST)).unwrap_or_default()
}

fn headers(
    field: &str,
    claims: Option<Vec<Box<str>>>,
    names: Option<Vec<Box<str>>>,
) -> Result<Vec<ClaimHeader>, ConfigError> {
    let (claims, names) = (claims.unwrap_or_default(), names.unwrap_or_default());
    if claims.len() != names.len() {
        return Err(invalid(format!("{field}_claims and {field}_names must be of the same length")));
    }
    names.iter().try_for_each(|name| checks::free_header_name(&format!("{field}_names"), name))?;
    let pairs = claims.into_iter().zip(names);
    Ok(pairs.map(|(claim, name)| ClaimHeader { claim, name: name.to_ascii_lowercase().into() }).collect())
}

fn token_header(text: &str) -> Result<TokenHeader, ConfigError> {
    let (name, scheme) = text.split_once(':').unwrap_or((text, ""));
    let (name, scheme) = (name.trim(), scheme.trim());
    checks::free_header_name("upstream_access_token_header", name)?;
    let prefix = match scheme.to_ascii_lowercase().as_str() {
        "" => "",
        "bearer" => "Bearer ",
        _ => return Err(invalid("upstream_access_token_header: behind the header's name only bearer can stand")),
    };
    Ok(TokenHeader { name: name.to_ascii_lowercase().into(), prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_provider_says_who_it_is() {
        for (issuer, expected) in [
            ("https://id.test", Some("https://id.test/.well-known/openid-configuration")),
            ("https://id.test/realms/a/", Some("https://id.test/realms/a/.well-known/openid-configuration")),
            (
                "http://id.test:8080/.well-known/openid-configuration",
                Some("http://id.test:8080/.well-known/openid-configuration"),
            ),
            ("ftp://id.test", None),
            ("https://", None),
            ("https://user:secret@id.test", None),
            ("https://id.test/?a=b", None),
            ("https://id test", None),
            ("https://id.test:99999999", None),
            ("https://id.test:", None),
            ("https://[::1]:8443", Some("https://[::1]:8443/.well-known/openid-configuration")),
            ("", None),
        ] {
            assert_eq!(discovery_url(issuer).ok().as_deref(), expected, "{issuer}");
        }
    }

    #[test]
    fn headers_for_the_token() {
        for (text, expected) in [
            ("authorization:bearer", Some(("authorization", "Bearer "))),
            ("X-Token", Some(("x-token", ""))),
            ("x-token:", Some(("x-token", ""))),
            ("x-token:basic", None),
            ("host", None),
            ("", None),
            ("a\nb", None),
        ] {
            let found = token_header(text).ok();
            assert_eq!(found.as_ref().map(|found| (&*found.name, found.prefix)), expected, "{text:?}");
        }
    }

    #[test]
    fn all_numbers_are_times() {
        for (number, expected) in [(0.0, 0.0), (-1.0, 0.0), (f64::NAN, 0.0), (f64::MAX, 1e9), (1.5, 1.5)] {
            assert_eq!(seconds(number).as_secs_f64().to_bits(), f64::to_bits(expected));
        }
    }
}
