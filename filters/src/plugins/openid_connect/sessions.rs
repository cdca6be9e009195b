//! Sessions: the tokens of who has signed in, in cookies; when they are over, and how they end.

use super::jar::{self, Jar};
use super::tokens::Tokens;
use crate::arguments::{self, Found};
use crate::body::Content;
use crate::error::ConfigError;
use crate::exchange::{Body, Exchange};
use crate::plugins::session::new_id;
use crate::plugins::session::state::{Refresh, Session, Timeouts};
use crate::sealed::Sealer;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A configuration's part that has sessions; timeouts are in seconds, 0 is for ever.
#[derive(Deserialize)]
pub struct Raw {
    cookie: jar::Raw,
    idling_timeout: f64,
    rolling_timeout: f64,
    absolute_timeout: f64,
    remember: Option<RawRemember>,
    refreshes: bool,
}

#[derive(Deserialize)]
struct RawRemember {
    cookie: jar::Raw,
    rolling_timeout: f64,
    absolute_timeout: f64,
}

#[derive(Debug)]
pub struct Sessions {
    jar: Jar,
    timeouts: Timeouts,
    remember: Option<Remember>,
    pub refreshes: bool,
}

/// The second cookie, which outlives the browser: by its refresh token a session begins anew.
#[derive(Debug)]
struct Remember {
    jar: Jar,
    timeouts: Timeouts,
    /// Seconds that browsers keep it.
    max_age: u64,
}

/// A session as its cookies have it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Kept {
    #[serde(rename = "t")]
    times: Session,
    #[serde(rename = "k")]
    pub tokens: Tokens,
    /// Since when it is remembered.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    remembered: Option<i64>,
}

impl Kept {
    /// None: the system gives no random numbers.
    pub fn new(tokens: Tokens, now_s: i64) -> Option<Self> {
        Some(Self { times: Session::new(new_id()?, now_s), tokens, remembered: Some(now_s) })
    }

    /// With newer tokens.
    #[must_use]
    pub fn renewed(&self, tokens: Tokens, now_s: i64) -> Self {
        let times = Session { touched: now_s, rolled: now_s, ..self.times.clone() };
        Self { times, tokens, remembered: self.remembered }
    }
}

impl Sessions {
    pub fn new(raw: &Raw, sealer: &Arc<Sealer>, bound_to: &str) -> Result<Self, ConfigError> {
        let timeouts =
            Timeouts { idling: raw.idling_timeout, rolling: raw.rolling_timeout, absolute: raw.absolute_timeout };
        let remember = raw.remember.as_ref().map(|raw| {
            Ok::<_, ConfigError>(Remember {
                jar: Jar::new(&raw.cookie, "session_remember_cookie", sealer, &format!("remember\n{bound_to}"))?,
                timeouts: Timeouts { idling: 0.0, rolling: raw.rolling_timeout, absolute: raw.absolute_timeout },
                max_age: max_age(raw.rolling_timeout),
            })
        });
        let jar = Jar::new(&raw.cookie, "session_cookie", sealer, &format!("session\n{bound_to}"))?;
        let remember = remember.transpose()?;
        if remember.as_ref().is_some_and(|remember| jar.meets(&remember.jar)) {
            return Err(ConfigError::Invalid(
                "session_cookie_name and session_remember_cookie_name must differ".into(),
            ));
        }
        Ok(Self { jar, timeouts, remember, refreshes: raw.refreshes })
    }

    pub fn open(&self, exchange: &Exchange<'_, '_>, now_s: i64) -> Option<Kept> {
        self.jar.read::<Kept>(exchange).filter(|kept| !kept.times.is_over(self.timeouts, now_s))
    }

    /// What a session can begin anew with.
    pub fn remembered(&self, exchange: &Exchange<'_, '_>, now_s: i64) -> Option<Kept> {
        let remember = self.remember.as_ref()?;
        let kept = remember.jar.read::<Kept>(exchange).filter(|kept| !kept.times.is_over(remember.timeouts, now_s))?;
        Some(Kept { times: Session::new(new_id()?, now_s), remembered: Some(kept.times.created), ..kept })
    }

    /// Whether it was used for so long that it must be written anew.
    pub fn touched(&self, kept: &Kept, now_s: i64) -> Option<Kept> {
        let times = match kept.times.refresh(self.timeouts, now_s) {
            Refresh::None => return None,
            Refresh::Touch => Session { touched: now_s, ..kept.times.clone() },
            Refresh::Roll => Session { id: new_id()?, rolled: now_s, touched: now_s, ..kept.times.clone() },
        };
        Some(Kept { times, ..kept.clone() })
    }

    /// `Set-Cookie` for a session; without its ID token where that has no room. None: there is no room even so.
    pub fn write(&self, exchange: &Exchange<'_, '_>, kept: &Kept, is_tls: bool) -> Option<Vec<String>> {
        let mut lines = self.jar.write(exchange, kept, is_tls, None).or_else(|| {
            let tokens = Tokens { id: None, ..kept.tokens.clone() };
            // Without an access token that says so nobody would know who it is.
            let rest = Kept { tokens, ..kept.clone() };
            kept.tokens.is_checked.then(|| self.jar.write(exchange, &rest, is_tls, None)).flatten()
        })?;
        if let (Some(remember), Some(refresh)) = (&self.remember, &kept.tokens.refresh) {
            let created = kept.remembered.unwrap_or(kept.times.created);
            let now = exchange.now_ms().div_euclid(1000);
            let times = Session { created, ..Session::new(kept.times.id.clone(), now) };
            let refresh = Some(refresh.clone());
            let tokens =
                Tokens { access: String::new(), is_checked: false, refresh, id: None, scope: None, expires: Some(0) };
            let content = Kept { times, tokens, remembered: None };
            lines.extend(remember.jar.write(exchange, &content, is_tls, Some(remember.max_age)).unwrap_or_default());
        }
        Some(lines)
    }

    /// `Set-Cookie` that takes back what the request has.
    pub fn expired(&self, exchange: &Exchange<'_, '_>, is_tls: bool) -> Vec<String> {
        let mut lines = self.jar.expired(exchange, is_tls);
        if let Some(remember) = &self.remember {
            lines.extend(remember.jar.expired(exchange, is_tls));
        }
        lines
    }

    /// Whether cookies of another jar could be taken for a session's.
    /// Names of its cookies.
    pub fn cookies(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.jar).chain(self.remember.iter().map(|remember| &remember.jar)).map(|jar| &*jar.name)
    }

    pub fn meets(&self, other: &Jar) -> bool {
        self.jar.meets(other) || self.remember.as_ref().is_some_and(|remember| remember.jar.meets(other))
    }

    pub fn hide(&self, exchange: &mut Exchange<'_, '_>) {
        self.jar.hide(exchange);
        if let Some(remember) = &self.remember {
            remember.jar.hide(exchange);
        }
    }
}

/// For ever is 400 days: browsers keep nothing longer.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within bounds by then
fn max_age(timeout: f64) -> u64 {
    const LONGEST_S: f64 = 34_560_000.0;
    (if timeout > 0.0 { timeout.min(LONGEST_S) } else { LONGEST_S }) as u64
}

/// A configuration's part that says how sessions end, and what happens then.
#[derive(Debug, Deserialize)]
pub struct Logout {
    methods: Vec<Box<str>>,
    uri_suffix: Option<Box<str>>,
    query_arg: Option<Box<str>>,
    post_arg: Option<Box<str>>,
    pub redirect_uri: Option<Box<str>>,
    pub revokes_access: bool,
    pub revokes_refresh: bool,
}

/// Whether the caller wants to leave.
#[derive(Debug, PartialEq, Eq)]
pub enum Leaving {
    No,
    Yes,
    NeedsBody,
}

impl Logout {
    /// Tokens that are to be worthless afterwards, with what they are (RFC 7009, section 2.1).
    pub fn revoked(&self, tokens: &Tokens) -> Vec<(&'static str, String)> {
        let refresh = tokens.refresh.clone().filter(|_| self.revokes_refresh).map(|token| ("refresh_token", token));
        let access = self.revokes_access.then(|| ("access_token", tokens.access.clone()));
        refresh.into_iter().chain(access).collect()
    }

    pub fn wanted(&self, exchange: &Exchange<'_, '_>) -> Leaving {
        if !self.methods.iter().any(|method| method.as_bytes() == exchange.request.method) {
            return Leaving::No;
        }
        let by_path = self.uri_suffix.as_deref().is_some_and(|suffix| exchange.path.ends_with(suffix.as_bytes()));
        let is_said =
            |name: &str| arguments::find(exchange.query().unwrap_or_default(), name.as_bytes()) != Found::Nothing;
        if by_path || self.query_arg.as_deref().is_some_and(is_said) {
            return Leaving::Yes;
        }
        let Some(name) = self.post_arg.as_deref().filter(|_| exchange.request.method != b"GET") else {
            return Leaving::No;
        };
        match exchange.body {
            Body::Pending => Leaving::NeedsBody,
            Body::Unusable => Leaving::No,
            Body::Whole(kind, bytes) => match Content::new(kind, bytes).find(name.as_bytes()) {
                Some(Found::Nothing) | None => Leaving::No,
                Some(_) => Leaving::Yes,
            },
        }
    }
}
