//! Browsers: sent to the provider to sign in, known by their session, signed out.

use super::admission::{self, Shown, Trusted};
use super::asking::{self, Got, Stage};
use super::client::{Answer, Client};
use super::parts::{Action, Browser, Method, Place, Told};
use super::requests::Code;
use super::sessions::{Kept, Leaving, Sessions};
use super::signin::{Back, Begun, SignIn, with_arguments};
use super::tokens::Tokens;
use super::{OpenIdConnect, Refusal, Stop};
use crate::arguments;
use crate::client;
use crate::exchange::{Exchange, Verdict};
use crate::reply::{Reply, Style};
use crate::text::Text;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Requests that came with older cookies get what a refresh token gave once: it may be good only once.
const SHARED: Duration = Duration::from_secs(30);

/// A browser that has come back.
struct Coming {
    begun: Begun,
    /// `Set-Cookie` for what else has begun.
    rest: Vec<String>,
    /// None: the provider has refused.
    code: Option<Code>,
}

impl OpenIdConnect {
    /// By what the provider has sent the browser back with, or by its session; None: it has none.
    pub fn known_by_browser(
        &self,
        exchange: &mut Exchange<'_, '_>,
        got: &mut Got,
        now_s: i64,
    ) -> Result<Option<Verdict>, Stop> {
        let Some(browser) = &self.0.browser else { return Ok(None) };
        match browser.logout.wanted(exchange) {
            Leaving::NeedsBody => return Err(Stop::Verdict(Verdict::NeedsBody)),
            Leaving::Yes => return self.sign_out(exchange, got, browser, now_s).map(Some),
            Leaving::No => (),
        }
        if let Some(sign_in) = &browser.sign_in {
            let mut begun = sign_in.begun(exchange, now_s);
            match sign_in.back(exchange, &begun) {
                Back::NeedsBody => return Err(Stop::Verdict(Verdict::NeedsBody)),
                Back::Known { place, code, issuer } => {
                    let this = begun.remove(place);
                    let rest = sign_in.rest(exchange, &begun, has_tls(exchange));
                    let coming = Coming { code: code.map(|code| sign_in.code(&this, code, issuer)), begun: this, rest };
                    return self.signed_in(exchange, got, (browser, sign_in), coming, now_s).map(Some);
                }
                Back::Unknown | Back::No => (),
            }
        }
        match &browser.sessions {
            Some(sessions) => self.known_by_session(exchange, got, sessions, now_s),
            None => Ok(None),
        }
    }

    fn signed_in(
        &self,
        exchange: &mut Exchange<'_, '_>,
        got: &Got,
        (browser, sign_in): (&Browser, &SignIn),
        Coming { begun, rest, code }: Coming,
        now_s: i64,
    ) -> Result<Verdict, Stop> {
        let client = self.client()?;
        let is_tls = has_tls(exchange);
        let Some(code) = code else {
            tell(exchange, rest);
            return Err(Refusal::BadToken.into());
        };
        let key = client.key("code", &[&code.nonce, &code.code]);
        let answer = asking::ask(exchange, got, Stage::Code, key, || {
            client.ask(key, |_| Duration::ZERO, move |client| client.exchange(&code, now_s))
        })?;
        // Whatever came of it: nobody comes back with it again.
        tell(exchange, rest);
        let tokens = match &*answer {
            Answer::Tokens(tokens) => tokens,
            Answer::Refused => return Err(Refusal::BadToken.into()),
            _ => return Err(Refusal::Fault.into()),
        };
        let lines = self.session_lines(exchange, client, browser, Kept::new((**tokens).clone(), now_s), is_tls)?;
        sign_in.hide(exchange);
        if sign_in.keeps_query
            && let Some((_, query)) = begun.url.split_once('?')
        {
            let rest = exchange.query().filter(|rest| !rest.is_empty());
            let query = rest.map_or_else(|| query.into(), |rest| [rest, b"&", query.as_bytes()].concat());
            exchange.upstream.query = Some(query);
        }
        let trusted = Trusted { began_at: Some(&begun.url), ..Trusted::tokens(tokens) };
        let verdict = self.admit(exchange, Method::AuthorizationCode, &tokens.claims(), &trusted, Shown::Cookie);
        self.keep_unless_forbidden(exchange, browser, &verdict, lines);
        verdict
    }

    fn session_lines(
        &self,
        exchange: &Exchange<'_, '_>,
        client: &Client,
        browser: &Browser,
        kept: Option<Kept>,
        is_tls: bool,
    ) -> Result<Vec<String>, Stop> {
        let Some(sessions) = &browser.sessions else { return Ok(Vec::new()) };
        kept.and_then(|kept| sessions.write(exchange, &kept, is_tls)).ok_or_else(|| {
            client.tell("its tokens have no room in cookies: a session takes 5 KB of them at most");
            Refusal::Fault.into()
        })
    }

    fn keep_unless_forbidden(
        &self,
        exchange: &mut Exchange<'_, '_>,
        browser: &Browser,
        verdict: &Result<Verdict, Stop>,
        lines: Vec<String>,
    ) {
        let is_forbidden = matches!(verdict, Err(Stop::Refusal(Refusal::Forbidden)));
        if !is_forbidden || !browser.forbidden_ends_session {
            tell(exchange, lines);
        }
    }

    fn known_by_session(
        &self,
        exchange: &mut Exchange<'_, '_>,
        got: &Got,
        sessions: &Sessions,
        now_s: i64,
    ) -> Result<Option<Verdict>, Stop> {
        let Some(browser) = &self.0.browser else { return Ok(None) };
        let found = sessions.open(exchange, now_s).or_else(|| sessions.remembered(exchange, now_s));
        let Some(kept) = found else { return Ok(None) };
        let is_tls = has_tls(exchange);
        let (kept, is_new) = if kept.tokens.is_over(now_s) {
            let Some(tokens) = self.refreshed(exchange, got, sessions, &kept.tokens, now_s)? else { return Ok(None) };
            (kept.renewed(tokens, now_s), true)
        } else {
            match sessions.touched(&kept, now_s) {
                Some(touched) => (touched, true),
                None => (kept, false),
            }
        };
        let lines = if is_new {
            self.session_lines(exchange, self.client()?, browser, Some(kept.clone()), is_tls)?
        } else {
            Vec::new()
        };
        let trusted = Trusted::tokens(&kept.tokens);
        let verdict = self.admit(exchange, Method::Session, &kept.tokens.claims(), &trusted, Shown::Cookie);
        self.keep_unless_forbidden(exchange, browser, &verdict, lines);
        verdict.map(Some)
    }

    /// None: there is no way but to sign in again.
    fn refreshed(
        &self,
        exchange: &mut Exchange<'_, '_>,
        got: &Got,
        sessions: &Sessions,
        old: &Tokens,
        now_s: i64,
    ) -> Result<Option<Tokens>, Stop> {
        let (client, Some(refresh)) = (self.client()?, old.refresh.as_deref().filter(|_| sessions.refreshes)) else {
            return Ok(None);
        };
        let (key, old) = (client.key("refresh", &[refresh]), old.clone());
        let answer = asking::ask(exchange, got, Stage::Refresh, key, || {
            client.ask(key, |_| SHARED, move |client| client.refresh(&old, now_s))
        })?;
        match &*answer {
            Answer::Tokens(tokens) => Ok(Some((**tokens).clone())),
            Answer::Refused => Ok(None),
            _ => Err(Refusal::Fault.into()),
        }
    }

    /// Sends the browser to the provider, if it may sign in there.
    pub fn sign_in(&self, exchange: &mut Exchange<'_, '_>, got: &Got, now_s: i64) -> Result<Verdict, Stop> {
        let sign_in = self.0.browser.as_ref().and_then(|browser| browser.sign_in.as_ref()).ok_or(Refusal::NoToken)?;
        if sign_in.back(exchange, &sign_in.begun(exchange, now_s)) == Back::Unknown {
            return Err(Refusal::BadToken.into());
        }
        let (client, url) = (self.client()?, own_url(exchange).ok_or(Refusal::NoToken)?);
        let known = self.provider(exchange, got)?;
        let Some(endpoint) = client.endpoint(&known, "authorization_endpoint") else {
            client.tell("its discovery document has no authorization_endpoint: set config.authorization_endpoint");
            return Err(Refusal::Fault.into());
        };
        let begun = sign_in.begin(exchange, client, &known, endpoint, &url, now_s);
        let (location, lines) = begun.ok_or(Refusal::NoToken)?;
        tell(exchange, lines);
        Ok(Verdict::Reply(admission::redirect(exchange, &location)))
    }

    /// What a caller gets in place of the upstream's answer.
    pub fn after_login(&self, exchange: &Exchange<'_, '_>, method: Method, trusted: &Trusted<'_>) -> Option<Reply> {
        let login = &self.0.browser.as_ref()?.login;
        if !login.methods.contains(&method) {
            return None;
        }
        let told = login.tokens.iter().filter_map(|told| told.of(trusted));
        match login.action {
            Action::Upstream => None,
            Action::Response => {
                let body = told.map(|(name, token)| (name.to_owned(), token.into())).collect();
                let body = serde_json::Value::Object(body).to_string().into_bytes();
                let style = Style::Raw { content_type: Some("application/json; charset=utf-8".to_owned()), body };
                Some(exchange.error(200, "").with_style(style).with_header("cache-control", "no-store"))
            }
            Action::Redirect => {
                // Whoever has not just signed in has nowhere to go back to.
                let target = login.redirect_uri.as_deref().or(trusted.began_at)?;
                let told = arguments::encoded(told);
                let location = match login.redirect_mode {
                    _ if told.is_empty() => target.to_owned(),
                    Place::Query => with_arguments(target, &told),
                    Place::Fragment => format!("{target}#{told}"),
                };
                Some(admission::redirect(exchange, &location))
            }
        }
    }

    fn sign_out(
        &self,
        exchange: &mut Exchange<'_, '_>,
        got: &Got,
        browser: &Browser,
        now_s: i64,
    ) -> Result<Verdict, Stop> {
        let client = self.client()?;
        let kept = browser.sessions.as_ref().and_then(|sessions| sessions.open(exchange, now_s));
        if !got.is_of(Stage::Revocation) {
            let tokens = kept.as_ref().map(|kept| browser.logout.revoked(&kept.tokens)).unwrap_or_default();
            if !tokens.is_empty() {
                let parts: Vec<&str> = tokens.iter().map(|(_, token)| token.as_str()).collect();
                let (key, client) = (client.key("revocation", &parts), Arc::clone(client));
                // Revoked or not: this session ends. Trouble is told in the log.
                asking::ask(exchange, got, Stage::Revocation, key, || {
                    client.ask(key, |_| Duration::ZERO, move |client| client.revoke(&tokens))
                })?;
            }
        }
        let known = self.provider(exchange, if got.is_of(Stage::Revocation) { &Got::Keys } else { got });
        let end = known.as_ref().ok().and_then(|known| client.endpoint(known, "end_session_endpoint"));
        if let Err(Stop::Verdict(wait)) = known {
            return Err(Stop::Verdict(wait));
        }
        let location = end.map(|end| {
            let hint = kept.as_ref().and_then(|kept| kept.tokens.id.as_deref());
            let back = browser.logout.redirect_uri.as_deref();
            let arguments =
                [("client_id", Some(&*client.id)), ("id_token_hint", hint), ("post_logout_redirect_uri", back)];
            let given = arguments.into_iter().filter_map(|(name, value)| Some((name, value?)));
            with_arguments(end, &arguments::encoded(given))
        });
        let location = location.or_else(|| browser.logout.redirect_uri.as_deref().map(str::to_owned));
        if let Some(sessions) = &browser.sessions {
            let lines = sessions.expired(exchange, has_tls(exchange));
            tell(exchange, lines);
        }
        Ok(Verdict::Reply(match location {
            Some(location) => admission::redirect(exchange, &location),
            None => exchange.error(200, "").with_style(Style::Raw { content_type: None, body: Vec::new() }),
        }))
    }

    pub fn hide_cookies(&self, exchange: &mut Exchange<'_, '_>) {
        let Some(browser) = &self.0.browser else { return };
        if let Some(sign_in) = &browser.sign_in {
            sign_in.jar.hide(exchange);
        }
        if let Some(sessions) = &browser.sessions {
            sessions.hide(exchange);
        }
    }

    pub fn end_session_of_refused(&self, exchange: &mut Exchange<'_, '_>, refusal: &Refusal) {
        let Some(browser) = &self.0.browser else { return };
        let ends = match refusal {
            Refusal::Forbidden => browser.forbidden_ends_session,
            _ => browser.unauthorized_ends_session,
        };
        if let Some(sessions) = browser.sessions.as_ref().filter(|_| ends) {
            let lines = sessions.expired(exchange, has_tls(exchange));
            tell(exchange, lines);
        }
    }
}

impl Told {
    fn of<'a>(self, trusted: &'a Trusted<'_>) -> Option<(&'static str, &'a str)> {
        let tokens = trusted.tokens;
        match self {
            Self::Id => Some(("id_token", tokens?.id.as_deref()?)),
            Self::Access => Some(("access_token", std::str::from_utf8(trusted.access).ok()?)),
            Self::Refresh => Some(("refresh_token", tokens?.refresh.as_deref()?)),
        }
    }
}

fn tell(exchange: &mut Exchange<'_, '_>, lines: Vec<String>) {
    for line in lines {
        exchange.downstream.push((Cow::Borrowed("set-cookie"), Text::from_slice(line.as_bytes())));
    }
}

fn has_tls(exchange: &Exchange<'_, '_>) -> bool {
    client::Client::of(exchange.settings(), exchange.request).has_tls(exchange.request)
}

/// The address under which the client has asked, as far as it can be one; a trusted peer's word counts.
fn own_url(exchange: &Exchange<'_, '_>) -> Option<String> {
    let (request, client) = (exchange.request, client::Client::of(exchange.settings(), exchange.request));
    let said = |name| client.told(request, name).filter(|value| !value.is_empty());
    let host = std::str::from_utf8(said("x-forwarded-host").unwrap_or(request.authority)).ok()?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return None;
    }
    let (scheme, usual) = if client.has_tls(request) { ("https", "443") } else { ("http", "80") };
    let port =
        said("x-forwarded-host").and_then(|_| said("x-forwarded-port")).and_then(|port| std::str::from_utf8(port).ok());
    let has_port = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    let port = port.filter(|port| !has_port && *port != usual && port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let path = std::str::from_utf8(request.target).ok().filter(|path| path.starts_with('/') && path.is_ascii())?;
    Some(format!("{scheme}://{}{port}{path}", host.to_ascii_lowercase()))
}
