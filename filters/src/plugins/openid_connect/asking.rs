//! What a request waits for, and how it is told apart when it is here.

use super::client::{ANSWERS, Answer};
use super::{OpenIdConnect, Refusal, Stop};
use crate::clock;
use crate::exchange::{Exchange, Note, Verdict};
use crate::oidc::{Key, Known, Look};
use crate::waiting::{NotDone, Outcome, Wait};
use std::sync::Arc;
use std::time::Duration;

/// A token that is good for nothing may be one that is not good yet.
const LONGEST_REFUSAL: Duration = Duration::from_mins(1);

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Keys,
    Code,
    Refresh,
    Introspection,
    Password,
    ClientCredentials,
    Revocation,
}

impl Stage {
    const ALL: [Self; 7] = [
        Self::Keys,
        Self::Code,
        Self::Refresh,
        Self::Introspection,
        Self::Password,
        Self::ClientCredentials,
        Self::Revocation,
    ];
}

/// What has come that was waited for.
#[derive(Debug)]
pub enum Got {
    Nothing,
    /// Late or not: what is known of the provider decides.
    Keys,
    Answer(Stage, Result<Arc<Answer>, NotDone>),
}

impl Got {
    pub fn of(note: &Note, outcome: Outcome) -> Self {
        let stage = note.first().and_then(|place| Stage::ALL.get(usize::from(*place)));
        match stage {
            Some(Stage::Keys) | None => Self::Keys,
            Some(stage) => Self::Answer(*stage, outcome.into()),
        }
    }

    pub fn is_of(&self, stage: Stage) -> bool {
        matches!(self, Self::Answer(of, _) if *of == stage)
    }
}

pub fn for_keys(exchange: &mut Exchange<'_, '_>, wait: Wait) -> Stop {
    *exchange.note = vec![Stage::Keys as u8];
    Stop::Verdict(Verdict::Wait(wait))
}

/// The answer, where it is known or has just come.
pub fn ask(
    exchange: &mut Exchange<'_, '_>,
    got: &Got,
    stage: Stage,
    key: Key,
    begin: impl FnOnce() -> Wait,
) -> Result<Arc<Answer>, Stop> {
    match got {
        Got::Answer(of, answer) if *of == stage => answer.clone().map_err(|_| Refusal::Fault.into()),
        _ => ANSWERS.known(&key).ok_or_else(|| {
            *exchange.note = vec![stage as u8];
            Stop::Verdict(Verdict::Wait(begin()))
        }),
    }
}

impl OpenIdConnect {
    /// What is known of the provider, for whoever needs its endpoints.
    pub fn provider(&self, exchange: &mut Exchange<'_, '_>, got: &Got) -> Result<Arc<Known>, Stop> {
        let known = match got {
            Got::Keys => self.0.issuer.last(),
            _ => match self.0.issuer.look(|_| true) {
                Look::Ask(wait) => return Err(for_keys(exchange, wait)),
                Look::Known(known) => Some(known),
                Look::Unknown => None,
            },
        };
        known.ok_or_else(|| Refusal::Fault.into())
    }

    pub fn lifetime_of_introspection(&self, now_s: i64) -> impl FnOnce(&Answer) -> Duration + Send + 'static {
        let most = if self.0.caching.introspection { self.0.caching.lifetime } else { Duration::ZERO };
        move |answer| match answer {
            Answer::Claims(claims) => {
                let expiry = claims.get("exp").and_then(serde_json::Value::as_f64);
                expiry.map_or(most, |expiry| most.min(left(expiry, now_s)))
            }
            _ => most.min(LONGEST_REFUSAL),
        }
    }

    pub fn lifetime_of_tokens(&self, now_s: i64) -> impl FnOnce(&Answer) -> Duration + Send + 'static {
        let (is_kept, most) = (self.0.caching.tokens, self.0.caching.lifetime);
        move |answer| match answer {
            Answer::Tokens(tokens) if is_kept => {
                tokens.expires.map_or(most, |expires| left(clock::number(expires), now_s))
            }
            _ => Duration::ZERO,
        }
    }
}

fn left(expiry: f64, now_s: i64) -> Duration {
    const LONGEST: f64 = 1e9;
    Duration::try_from_secs_f64((expiry - clock::number(now_s)).clamp(0.0, LONGEST)).unwrap_or_default()
}
