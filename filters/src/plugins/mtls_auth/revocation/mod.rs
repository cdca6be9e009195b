//! Whether certificates were revoked, asked of whom they name: first a responder (RFC 6960), then lists (RFC 5280).

mod fetch;
mod lists;
mod ocsp;
#[cfg(test)]
mod tests;

use super::places::Places;
use crate::journal::{self, Level};
use crate::oidc::{Answers, Fresh, Key};
use crate::waiting::Wait;
pub use fetch::Ways;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Who did not answer is asked again after so long.
const LIFETIME_OF_FAILURE: Duration = Duration::from_secs(10);
/// For what follows the last answer.
const SLACK: Duration = Duration::from_secs(1);
/// By which clocks may differ, in seconds.
const SKEW_S: u64 = 300;

static ANSWERS: LazyLock<Answers<Status>> = LazyLock::new(Answers::default);

/// What is asked of whoever can tell whether a certificate was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    Skip,
    IgnoreCaError,
    Strict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Good,
    Revoked,
    /// Nobody could be asked, or nobody's answer can be believed.
    Unknown,
    /// There is an answer that may say anything: it is of a kind that is not read, or there is no room to look at it.
    Unreadable,
}

impl Status {
    /// Of what `as u8` gave.
    pub fn from_byte(byte: u8) -> Self {
        [Self::Good, Self::Revoked].into_iter().find(|one| *one as u8 == byte).unwrap_or(Self::Unknown)
    }
}

impl Mode {
    pub fn passes(self, status: Status) -> bool {
        match status {
            Status::Good => true,
            Status::Revoked | Status::Unreadable => false,
            Status::Unknown => self != Self::Strict,
        }
    }
}

/// One certificate of a chain that somebody vouches for.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// From the client's certificate to the one that issued the certificate in question, which stands before that.
    pub chain: Vec<CertificateDer<'static>>,
    pub places: Places,
    digest: Key,
}

impl Question {
    pub fn new(chain: &[CertificateDer<'static>], places: Places) -> Self {
        let mut digest = Sha256::new();
        for der in chain {
            digest.update((der.len() as u64).to_be_bytes());
            digest.update(der);
        }
        // Nobody is asked about a certificate that names nobody.
        let chain = if places.is_empty() { Vec::new() } else { chain.to_vec() };
        Self { chain, places, digest: digest.finalize().into() }
    }

    /// The certificate and its issuer's.
    fn pair(&self) -> Option<(&CertificateDer<'static>, &CertificateDer<'static>)> {
        match self.chain.as_slice() {
            [.., certificate, issuer] => Some((certificate, issuer)),
            _ => None,
        }
    }

    pub fn size(&self) -> usize {
        size_of::<Self>() + self.chain.iter().map(|der| der.len()).sum::<usize>() + self.places.size()
    }
}

/// An answer that can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answered {
    status: Status,
    /// Until when, in seconds since 1970; None: nobody says.
    until: Option<u64>,
}

/// How one configuration asks.
#[derive(Clone, Debug)]
pub struct Asking {
    pub ways: Ways,
    /// For how long an answer is good at most.
    pub lifetime: Duration,
}

impl Asking {
    /// An answer counts for those only who would ask in the same way.
    fn key(&self, what: &[u8]) -> Key {
        let own = format!("{:?} {:?} ", self.ways, self.lifetime);
        Sha256::new().chain_update(own).chain_update(what).finalize().into()
    }

    pub fn known(&self, question: &Question) -> Option<Status> {
        ANSWERS.known(&self.key(&question.digest)).map(|status| *status)
    }

    /// The outcome is an `Arc<Status>`.
    pub fn ask(&self, verified: Arc<super::Verified>, place: usize, now: u64) -> Wait {
        let Some(question) = verified.questions.get(place) else {
            return Wait::new(SLACK, |completion| completion.done(Arc::new(Status::Unknown)));
        };
        let (asking, key) = (self.clone(), self.key(&question.digest));
        let timeout = self.ways.timeout.saturating_mul(2).saturating_add(SLACK);
        ANSWERS.ask(key, timeout, move || {
            let answered = verified.questions.get(place).map(|question| asking.answer(question, now));
            let answered = answered.unwrap_or(Answered { status: Status::Unknown, until: None });
            Fresh { value: answered.status, lifetime: asking.lifetime_of(answered, now), size: 0 }
        })
    }

    fn lifetime_of(&self, answered: Answered, now: u64) -> Duration {
        let most = match answered.status {
            Status::Unknown => self.lifetime.min(LIFETIME_OF_FAILURE),
            _ => self.lifetime,
        };
        answered.until.map_or(most, |until| most.min(Duration::from_secs(until.saturating_sub(now))))
    }

    /// Blocks: the responders together have the timeout, and then the lists.
    fn answer(&self, question: &Question, now: u64) -> Answered {
        let deadline = self.deadline();
        for url in &question.places.responders {
            match self.of_responder(question, url, now, deadline) {
                Ok(answered) if answered.status != Status::Unknown => return answered,
                Ok(_) => tell(url, "it does not know the certificate"),
                Err(trouble) => tell(url, &trouble),
            }
        }
        let deadline = self.deadline();
        for url in &question.places.lists {
            match lists::answer(self, question, url, now, deadline) {
                Ok(answered) => return answered,
                Err(trouble) => tell(url, &trouble),
            }
        }
        if question.places.has_others {
            let text = "mtls-auth: a certificate names places of revoked certificates that cannot be asked";
            journal::tell(Level::Warning, text);
        }
        Answered { status: Status::Unknown, until: None }
    }

    fn of_responder(&self, question: &Question, url: &str, now: u64, deadline: Instant) -> Result<Answered, String> {
        let (certificate, issuer) = question.pair().ok_or("it has no issuer")?;
        let asked = ocsp::Asked::new(certificate, issuer).ok_or("the certificate cannot be asked about")?;
        let answer = self.ways.fetch(url, Some(&asked.request), ocsp::LONGEST, deadline)?;
        Ok(asked.read(&answer, now)?)
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.ways.timeout).unwrap_or(now)
    }
}

/// The text quotes nothing of an answer.
fn tell(url: &str, trouble: &str) {
    let text = format!("mtls-auth: {} does not tell whether a certificate was revoked: {trouble}", url.escape_debug());
    journal::tell(Level::Warning, &text);
}
