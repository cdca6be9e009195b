//! One provider: what it says of itself, kept while it is good, and read by one thread at a time whoever asks.

use super::documents;
use super::jwks::{self, KeySet};
use crate::journal::{self, Level};
use crate::waiting::{Completion, NotDone, Wait};
use arc_swap::ArcSwapOption;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Requests that wait for one provider.
const MOST_WAITING: usize = 4096;
/// Keys that could not be read anew are of use for so long after their time.
const GRACE: Duration = Duration::from_hours(24);
/// Discovery document and keys.
const DOCUMENTS: u32 = 2;

/// Where a provider is, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Of the discovery document.
    pub url: Box<str>,
    /// Whether its certificate must be good.
    pub verifies: bool,
    /// For one document.
    pub timeout: Duration,
    /// For how long what it says is good.
    pub lifetime: Duration,
    /// It is asked no more often.
    pub pause: Duration,
}

/// The part of a discovery document that is used (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub issuer: Box<str>,
    jwks_uri: Box<str>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Metadata {
    /// The URL under a name, if it is one of `https`, or one of `http` from a provider that was asked over that.
    pub fn endpoint(&self, name: &str) -> Option<&str> {
        let is_plain = self.jwks_uri.starts_with("http://");
        let url = self.others.get(name)?.as_str()?;
        (url.starts_with("https://") || (is_plain && url.starts_with("http://"))).then_some(url)
    }

    /// Whether a list of it has a text; None: there is no such list.
    pub fn lists(&self, name: &str, text: &str) -> Option<bool> {
        Some(self.others.get(name)?.as_array()?.iter().any(|one| one.as_str() == Some(text)))
    }

    pub fn says(&self, name: &str) -> bool {
        self.others.get(name) == Some(&Value::Bool(true))
    }
}

#[derive(Debug)]
pub struct Known {
    pub metadata: Metadata,
    pub keys: KeySet,
    at: Instant,
}

/// What can be said of a provider now.
pub enum Look {
    Known(Arc<Known>),
    /// It is asked, and can be looked at again afterwards.
    Ask(Wait),
    Unknown,
}

pub struct Issuer {
    source: Source,
    known: ArcSwapOption<Known>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When it was asked last.
    asked: Option<Instant>,
    is_asking: bool,
    has_failed: bool,
    waiting: Vec<Completion>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Issuer({})", self.source.url)
    }
}

/// The provider at a source, as long as any instance has it.
pub fn issuer(source: Source) -> Arc<Issuer> {
    static ISSUERS: LazyLock<Mutex<HashMap<Source, Weak<Issuer>>>> = LazyLock::new(Mutex::default);
    let mut issuers = lock(&ISSUERS);
    if let Some(known) = issuers.get(&source).and_then(Weak::upgrade) {
        return known;
    }
    issuers.retain(|_, issuer| issuer.strong_count() > 0);
    let made = Arc::new(Issuer { source: source.clone(), known: ArcSwapOption::empty(), state: Mutex::default() });
    issuers.insert(source, Arc::downgrade(&made));
    made
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Issuer {
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// `is_enough` says whether what is known answers the question; a key may have been added since.
    pub fn look(self: &Arc<Self>, is_enough: impl Fn(&Known) -> bool) -> Look {
        let now = Instant::now();
        let found = self.last().filter(|known| is_enough(known));
        if let Some(known) = &found
            && now.duration_since(known.at) <= self.source.lifetime
        {
            return Look::Known(Arc::clone(known));
        }
        let state = lock(&self.state);
        match (found, self.can_ask(&state, now)) {
            // Whether it answers again is found out without holding anybody up.
            (Some(known), true) if state.has_failed => {
                self.ask(state, now);
                Look::Known(known)
            }
            (Some(known), false) if state.has_failed || !state.is_asking => Look::Known(known),
            (_, can_ask) if can_ask || state.is_asking => Look::Ask(self.wait()),
            _ => self.last().map_or(Look::Unknown, Look::Known),
        }
    }

    /// Like `look`, for threads that may block.
    pub fn find(self: &Arc<Self>, is_enough: impl Fn(&Known) -> bool) -> Option<Arc<Known>> {
        match self.look(is_enough) {
            Look::Known(known) => Some(known),
            Look::Unknown => None,
            Look::Ask(wait) => {
                drop(wait.block());
                self.last()
            }
        }
    }

    /// What is known and still of use.
    pub fn last(&self) -> Option<Arc<Known>> {
        self.known.load_full().filter(|known| known.at.elapsed() <= self.source.lifetime.saturating_add(GRACE))
    }

    fn can_ask(&self, state: &State, now: Instant) -> bool {
        !state.is_asking && state.asked.is_none_or(|asked| now.duration_since(asked) >= self.source.pause)
    }

    fn wait(self: &Arc<Self>) -> Wait {
        let issuer = Arc::clone(self);
        Wait::new(self.source.timeout.saturating_mul(DOCUMENTS), move |completion| issuer.join(completion))
    }

    fn join(self: &Arc<Self>, completion: Completion) {
        let (mut state, now) = (lock(&self.state), Instant::now());
        if !state.is_asking && !self.can_ask(&state, now) {
            // It has answered in the meantime.
            drop(state);
            return completion.done(());
        }
        if state.waiting.len() >= MOST_WAITING {
            drop(state);
            return completion.fail(NotDone::TooMany);
        }
        state.waiting.push(completion);
        if !state.is_asking {
            self.ask(state, now);
        }
    }

    fn ask(self: &Arc<Self>, mut state: MutexGuard<'_, State>, now: Instant) {
        state.asked = Some(now);
        state.is_asking = true;
        let issuer = Arc::clone(self);
        let spawned = thread::Builder::new().name("policy-oidc".into()).spawn(move || issuer.refresh());
        drop(state);
        if spawned.is_err() {
            self.finish(Err("the system gives no thread for it".to_owned()));
        }
    }

    fn refresh(&self) {
        let read = catch_unwind(AssertUnwindSafe(|| read(&self.source)));
        self.finish(read.unwrap_or_else(|_| Err("it failed on a fault in the policy module".to_owned())));
    }

    fn finish(&self, read: Result<Known, String>) {
        let trouble = match read {
            Ok(known) => {
                self.known.store(Some(Arc::new(known)));
                None
            }
            Err(trouble) => Some(trouble),
        };
        let mut state = lock(&self.state);
        let has_recovered = state.has_failed && trouble.is_none();
        state.is_asking = false;
        state.has_failed = trouble.is_some();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(|completion| completion.done(()));
        let url = &self.source.url;
        if let Some(trouble) = trouble {
            let rest = if self.last().is_some() { "its last known keys are used" } else { "no token can be checked" };
            journal::tell(Level::Error, &format!("openid-connect: cannot read the keys of {url}: {trouble}; {rest}"));
        } else if has_recovered {
            journal::tell(Level::Warning, &format!("openid-connect: the keys of {url} are read again"));
        }
    }
}

fn read(source: &Source) -> Result<Known, String> {
    let agent = documents::agent(source.verifies, source.timeout);
    let metadata: Metadata = documents::read(&agent, &source.url)?;
    let is_safe = metadata.jwks_uri.starts_with("https://");
    if !is_safe && (source.url.starts_with("https://") || !metadata.jwks_uri.starts_with("http://")) {
        return Err("its jwks_uri is no URL of https".to_owned());
    }
    let document: jwks::Document =
        documents::read(&agent, &metadata.jwks_uri).map_err(|trouble| format!("jwks_uri: {trouble}"))?;
    let keys = KeySet::from(document);
    if keys.is_empty() {
        return Err("jwks_uri: it has no public key by which tokens could be checked".to_owned());
    }
    Ok(Known { metadata, keys, at: Instant::now() })
}
