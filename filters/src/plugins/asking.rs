//! A plugin for tests of the seams between plugins and streams: it waits for an answer, and logs.

use crate::ended::{Ended, Times};
use crate::error::ConfigError;
use crate::exchange::{Exchange, Note, Verdict};
use crate::plugins::Plugin;
use crate::request::Request;
use crate::stream::testing::text;
use crate::waiting::{Completion, NotDone, Outcome, Wait};
use serde::Deserialize;
use serde_json::Value;
use std::cell::RefCell;
use std::time::Duration;

thread_local! {
    /// What this thread's instances wait for.
    pub static ASKED: RefCell<Vec<Completion>> = const { RefCell::new(Vec::new()) };
    /// What this thread's instances have logged.
    pub static LOGGED: RefCell<Vec<(String, Times)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Deserialize)]
pub struct Asking {
    /// So many times one after the other.
    #[serde(default)]
    times: usize,
    #[serde(default)]
    needs_body: bool,
    #[serde(default)]
    logs: bool,
    #[serde(default = "long")]
    timeout_ms: u64,
}

fn long() -> u64 {
    60_000
}

pub fn parse(config: Value) -> Result<Box<dyn Plugin>, ConfigError> {
    Ok(Box::new(serde_json::from_value::<Asking>(config)?))
}

impl Asking {
    fn wait(&self) -> Verdict {
        let begin = |completion| ASKED.with(|asked| asked.borrow_mut().push(completion));
        Verdict::Wait(Wait::new(Duration::from_millis(self.timeout_ms), begin))
    }

    fn proceed(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        if exchange.note.len() < self.times {
            return self.wait();
        }
        exchange.upstream.set("x-asked", exchange.note.as_slice());
        if let crate::exchange::Body::Whole(_, bytes) = exchange.body {
            exchange.upstream.set("x-body", bytes);
        }
        Verdict::Continue
    }
}

impl Plugin for Asking {
    fn on_request(&self, exchange: &mut Exchange<'_, '_>) -> Verdict {
        if self.needs_body && matches!(exchange.body, crate::exchange::Body::Pending) {
            return Verdict::NeedsBody;
        }
        self.proceed(exchange)
    }

    fn on_outcome(&self, exchange: &mut Exchange<'_, '_>, outcome: Outcome) -> Verdict {
        match outcome.into::<char>() {
            Ok('!') => panic!("a fault on purpose"),
            Ok(letter) => exchange.note.push(letter as u8),
            Err(NotDone::TooLate) => return Verdict::Reply(exchange.error(504, "too late")),
            Err(_) => return Verdict::Reply(exchange.error(500, "not done")),
        }
        self.proceed(exchange)
    }

    fn has_log_phase(&self) -> bool {
        self.logs
    }

    fn note(&self, request: &Request<'_>) -> Note {
        request.header(b"x-note").unwrap_or_default().to_vec()
    }

    fn on_log(&self, ended: &Ended<'_, '_>, note: &Note) {
        let Ended { status, client_address, request_bytes, response_bytes, .. } = ended;
        let route = ended.route.map_or("-", |route| &route.id);
        let path = text(ended.request.target);
        let line = format!(
            "{path} {route} {status} {client_address} {request_bytes} {response_bytes} {:?} {}",
            ended.who.consumer.as_deref().and_then(|consumer| consumer.username.as_deref()),
            text(note),
        );
        LOGGED.with(|logged| logged.borrow_mut().push((line, ended.times)));
    }
}
