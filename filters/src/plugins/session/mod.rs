//! The plugin session: who has proved once who they are is known by a cookie afterwards (kong.md §5.9).

mod config;
pub mod cookie;
pub mod state;

use crate::arguments::{self, Found};
use crate::body::Content;
use crate::cookies;
use crate::error::ConfigError;
use crate::error_body::Format;
use crate::exchange::{Body, Exchange, Identity, Note, Verdict};
use crate::headers::Response;
use crate::plugins::Plugin;
use crate::record::secrets::Secrets;
use crate::reply::{Reply, Style};
use crate::tables::Consumer;
use crate::text::{Text, header_value};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{Property, Settings};
use cookie::Cookie;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::{Holder, Refresh, Session};
use std::borrow::Cow;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Methods whose bodies may say that a session is to end.
const WITH_BODY: [&[u8]; 4] = [b"DELETE", b"PATCH", b"POST", b"PUT"];

#[derive(Debug)]
struct Plug(Settings);

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    Ok(Box::new(Plug(config::read(config)?)))
}

/// What the response must know.
#[derive(Deserialize, Serialize)]
struct Known {
    now: i64,
    /// As it stands after the request.
    session: Option<Session>,
}

/// What the cookies of a request say.
enum Opened {
    Nothing,
    /// A session that nobody holds for this audience.
    Other(Session),
    /// With the cookies by which it begins anew.
    Held(Session, Vec<String>),
}

/// Whether the caller wants to leave.
enum Leaving {
    No,
    Yes,
    NeedsBody,
}

impl Plugin for Plug {
    fn secrets<'a>(&'a self, found: &mut Secrets<'a>) {
        found.cookies.push(&self.0.cookie.name);
        found.cookies.extend(self.0.remember.iter().map(|remember| &*remember.cookie.name));
    }

    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        let now = exchange.now_ms().div_euclid(1000);
        self.hide_headers(exchange);
        let (session, mut lines) = match self.open(exchange, now) {
            Opened::Nothing => return self.leave_to_others(exchange, now, None),
            Opened::Other(session) => return self.leave_to_others(exchange, now, Some(session)),
            Opened::Held(session, lines) => (session, lines),
        };
        match self.leaving(exchange) {
            Leaving::NeedsBody => return Verdict::NeedsBody,
            Leaving::Yes => {
                self.end(exchange, session, now);
                return Verdict::Reply(signed_out());
            }
            Leaving::No => (),
        }
        let Some((consumer, credential)) = self.holder(exchange, &session) else {
            let rest = self.end(exchange, session, now);
            return self.leave_to_others(exchange, now, rest);
        };
        let session = self.refreshed(session, now, &mut lines);
        lines.iter().for_each(|line| tell(exchange, "set-cookie", line.as_bytes()));
        self.tell_of(exchange, &session, &consumer, now);
        *exchange.who = Identity {
            consumer: Some(consumer),
            credential: Some(credential.clone()),
            credential_id: Some(credential),
            is_checked: true,
            ..Identity::default()
        };
        self.leave_to_others(exchange, now, Some(session))
    }

    fn has_response_phase(&self) -> bool {
        true
    }

    /// Whoever has shown a credential gets a session.
    fn on_response(&self, response: &mut Response<'_>, note: &Note) {
        let Some(who) = response.who else { return };
        let Ok(Known { now, session }) = serde_json::from_slice(note) else { return };
        let (Some(consumer), Some(credential)) = (&who.consumer, &who.credential_id) else { return };
        let holder = Holder {
            audience: self.0.audience.clone(),
            consumer: consumer.id.clone(),
            credential: credential.clone(),
            is_listed: is_listed(consumer, credential),
        };
        if session.as_ref().and_then(|session| session.holder(&self.0.audience)) == Some(&holder) {
            return;
        }
        let Some(id) = new_id() else { return };
        let created = session.as_ref().map_or(now, |session| session.created);
        let holders = session.map(|session| session.holders).unwrap_or_default();
        let mut session = Session { created, holders, ..Session::new(id, now) };
        session.hold(holder);
        let remember = self.0.remember.as_ref();
        let lines = [self.session_line(&session), remember.and_then(|_| self.remember_line(&session, now))];
        for line in lines.into_iter().flatten() {
            let name = line.split('=').next().unwrap_or_default();
            let others: Vec<Text> = response
                .values("set-cookie")
                .into_iter()
                .filter(|one| !is_cookie(one, name))
                .map(Text::from_slice)
                .collect();
            response.replace("set-cookie", others);
            response.add("set-cookie", line);
        }
        for property in &self.0.response_headers {
            if let Some(value) = self.property(*property, &session, consumer, now) {
                response.set(property.header(), header_value(value.as_bytes()));
            }
        }
    }
}

impl Plug {
    fn leave_to_others(&self, exchange: &mut Exchange<'_, '_>, now: i64, session: Option<Session>) -> Verdict {
        *exchange.note = serde_json::to_vec(&Known { now, session }).unwrap_or_default();
        Verdict::Continue
    }

    /// What the upstream is told of sessions must not come from the client.
    fn hide_headers(&self, exchange: &mut Exchange<'_, '_>) {
        for property in &self.0.request_headers {
            exchange.upstream.remove(property.header());
        }
    }

    fn open(&self, exchange: &Exchange<'_, '_>, now: i64) -> Opened {
        let Settings { cookie, timeouts, audience, .. } = &self.0;
        if let Some(session) = self.read(exchange, cookie).filter(|session| !session.is_over(*timeouts, now)) {
            let is_held = session.holder(audience).is_some();
            return if is_held { Opened::Held(session, Vec::new()) } else { Opened::Other(session) };
        }
        self.remembered(exchange, now).unwrap_or(Opened::Nothing)
    }

    /// A session that begins anew, out of the cookie that outlives the browser.
    fn remembered(&self, exchange: &Exchange<'_, '_>, now: i64) -> Option<Opened> {
        let remember = self.0.remember.as_ref()?;
        let old = self.read(exchange, &remember.cookie).filter(|session| !session.is_over(remember.timeouts, now))?;
        old.holder(&self.0.audience)?;
        let again = Session { created: old.created, holders: old.holders.clone(), ..Session::new(new_id()?, now) };
        let session = Session { holders: old.holders, ..Session::new(new_id()?, now) };
        let lines = vec![self.remember_line(&again, now)?, self.session_line(&session)?];
        Some(Opened::Held(session, lines))
    }

    fn read(&self, exchange: &Exchange<'_, '_>, cookie: &Cookie) -> Option<Session> {
        let value = cookies::find(exchange.headers("cookie"), cookie.name.as_bytes())?;
        serde_json::from_slice(&self.0.sealer.open(&cookie.name, value)?).ok()
    }

    fn session_line(&self, session: &Session) -> Option<String> {
        let cookie = &self.0.cookie;
        cookie.set(&self.0.sealer.seal(&cookie.name, &serde_json::to_vec(session).ok()?)?)
    }

    fn remember_line(&self, session: &Session, now: i64) -> Option<String> {
        let remember = self.0.remember.as_ref()?;
        let value = self.0.sealer.seal(&remember.cookie.name, &serde_json::to_vec(session).ok()?)?;
        remember.cookie.set_for(&value, now, remember.max_age)
    }

    fn refreshed(&self, session: Session, now: i64, lines: &mut Vec<String>) -> Session {
        let refreshed = match session.refresh(self.0.timeouts, now) {
            Refresh::None => return session,
            Refresh::Touch => Session { touched: now, ..session.clone() },
            Refresh::Roll => match new_id() {
                Some(id) => Session { id, rolled: now, touched: now, ..session.clone() },
                None => return session,
            },
        };
        match self.session_line(&refreshed) {
            Some(line) => lines.push(line),
            None => return session,
        }
        refreshed
    }

    /// Who holds the session, if consumer and credential are still there.
    fn holder(&self, exchange: &Exchange<'_, '_>, session: &Session) -> Option<(Arc<Consumer>, Box<str>)> {
        let holder = session.holder(&self.0.audience)?;
        let consumer = exchange.world.consumers.find(&holder.consumer).filter(|found| found.id == holder.consumer)?;
        let is_good = |credential: &crate::tables::Credential| {
            credential.id == holder.credential && !credential.is_expired(exchange.now_ms())
        };
        let is_there = !holder.is_listed || consumer.credentials.values().flatten().any(is_good);
        is_there.then(|| (Arc::clone(consumer), holder.credential.clone()))
    }

    fn leaving(&self, exchange: &Exchange<'_, '_>) -> Leaving {
        let logout = &self.0.logout;
        let method = exchange.request.method;
        if !logout.methods.iter().any(|one| one.as_bytes() == method) {
            return Leaving::No;
        }
        let query = exchange.query().unwrap_or_default();
        if arguments::find(query, logout.query_arg.as_bytes()) != Found::Nothing {
            return Leaving::Yes;
        }
        if !logout.reads_body || !WITH_BODY.contains(&method) {
            return Leaving::No;
        }
        match exchange.body {
            Body::Pending => Leaving::NeedsBody,
            Body::Unusable => Leaving::No,
            Body::Whole(kind, bytes) => match Content::new(kind, bytes).find(logout.post_arg.as_bytes()) {
                Some(Found::Nothing) | None => Leaving::No,
                Some(_) => Leaving::Yes,
            },
        }
    }

    /// Takes this audience's holder out; what is left of the session, if others hold it.
    fn end(&self, exchange: &mut Exchange<'_, '_>, mut session: Session, now: i64) -> Option<Session> {
        session.release(&self.0.audience);
        let left = Some(session).filter(|session| !session.holders.is_empty());
        let written = left.and_then(|session| Some(Session { id: new_id()?, rolled: now, touched: now, ..session }));
        let line = written.as_ref().and_then(|session| self.session_line(session));
        tell(exchange, "set-cookie", line.unwrap_or_else(|| self.0.cookie.expired()).as_bytes());
        if let Some(remember) = &self.0.remember {
            let line = written.as_ref().and_then(|session| self.remember_line(session, now));
            tell(exchange, "set-cookie", line.unwrap_or_else(|| remember.cookie.expired()).as_bytes());
        }
        written
    }

    fn tell_of(&self, exchange: &mut Exchange<'_, '_>, session: &Session, consumer: &Consumer, now: i64) {
        for property in &self.0.request_headers {
            if let Some(value) = self.property(*property, session, consumer, now) {
                exchange.upstream.set(property.header(), header_value(value.as_bytes()));
            }
        }
        for property in &self.0.response_headers {
            if let Some(value) = self.property(*property, session, consumer, now) {
                tell(exchange, property.header(), &header_value(value.as_bytes()));
            }
        }
    }

    fn property(&self, property: Property, session: &Session, consumer: &Consumer, now: i64) -> Option<String> {
        let left = session.left(self.0.timeouts, now);
        let seconds = |left: Option<f64>| left.map(|left| left.to_string());
        match property {
            Property::Id => Some(session.id.clone()),
            Property::Audience => Some(self.0.audience.to_string()),
            Property::Subject => Some(subject(consumer).to_owned()),
            Property::Timeout => seconds(left.shortest),
            Property::IdlingTimeout => seconds(left.idling),
            Property::RollingTimeout => seconds(left.rolling),
            Property::AbsoluteTimeout => seconds(left.absolute),
        }
    }
}

fn subject(consumer: &Consumer) -> &str {
    consumer.username.as_deref().or(consumer.custom_id.as_deref()).unwrap_or(&consumer.id)
}

fn is_listed(consumer: &Consumer, credential: &str) -> bool {
    consumer.credentials.values().flatten().any(|known| &*known.id == credential)
}

fn is_cookie(line: &[u8], name: &str) -> bool {
    line.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

pub fn new_id() -> Option<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

fn tell(exchange: &mut Exchange<'_, '_>, name: &'static str, value: &[u8]) {
    exchange.downstream.push((Cow::Borrowed(name), Text::from_slice(value)));
}

/// Kong's answer to who leaves: nothing at all.
fn signed_out() -> Reply {
    let style = Style::Raw { content_type: None, body: Vec::new() };
    Reply::error(200, "", Format::Json).with_style(style)
}
