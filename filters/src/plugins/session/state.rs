//! A session as its cookie tells it: since when, and who may use it where.

use crate::clock;
use serde::{Deserialize, Serialize};

/// More of them would not fit into a cookie.
const MOST_HOLDERS: usize = 8;

/// Times are seconds since 1970.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Session {
    /// 32 random bytes in base64, new whenever the session is written.
    pub id: String,
    pub created: i64,
    /// When it was written last.
    pub rolled: i64,
    /// When it was used last, as far as that was written down.
    pub touched: i64,
    pub holders: Vec<Holder>,
}

/// Who is signed in for one audience.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Holder {
    pub audience: Box<str>,
    pub consumer: Box<str>,
    pub credential: Box<str>,
    /// The credential is one of the consumer's; when it goes, the session ends.
    pub is_listed: bool,
}

/// In seconds; 0 is for ever.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub idling: f64,
    pub rolling: f64,
    pub absolute: f64,
}

/// How long a session may go unwritten while it is used.
const TOUCH_AFTER: f64 = 60.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    None,
    /// Only the last use is to be written down.
    Touch,
    Roll,
}

impl Session {
    pub fn new(id: String, now: i64) -> Self {
        Self { id, created: now, rolled: now, touched: now, holders: Vec::new() }
    }

    pub fn holder(&self, audience: &str) -> Option<&Holder> {
        self.holders.iter().find(|holder| &*holder.audience == audience)
    }

    /// In place of who held it for this audience before.
    pub fn hold(&mut self, holder: Holder) {
        self.release(&holder.audience);
        let excess = (self.holders.len() + 1).saturating_sub(MOST_HOLDERS);
        self.holders.drain(..excess);
        self.holders.push(holder);
    }

    pub fn release(&mut self, audience: &str) {
        self.holders.retain(|holder| &*holder.audience != audience);
    }

    pub fn is_over(&self, timeouts: Timeouts, now: i64) -> bool {
        let exceeds = |since: i64, limit: f64| limit > 0.0 && elapsed(since, now) > limit;
        exceeds(self.created, timeouts.absolute)
            || exceeds(self.rolled, timeouts.rolling)
            || exceeds(self.touched, timeouts.idling)
    }

    /// What is due now that it is used.
    pub fn refresh(&self, timeouts: Timeouts, now: i64) -> Refresh {
        if timeouts.rolling > 0.0 && elapsed(self.rolled, now) > (timeouts.rolling * 0.75).floor() {
            return Refresh::Roll;
        }
        if timeouts.idling > 0.0 && elapsed(self.touched, now) > TOUCH_AFTER {
            return Refresh::Touch;
        }
        Refresh::None
    }

    /// Seconds that are left of each timeout and of the shortest; None for those that never end.
    pub fn left(&self, timeouts: Timeouts, now: i64) -> Left {
        let left = |since: i64, limit: f64| (limit > 0.0).then(|| limit - elapsed(since, now));
        let (idling, rolling, absolute) = (
            left(self.touched, timeouts.idling),
            left(self.rolled, timeouts.rolling),
            left(self.created, timeouts.absolute),
        );
        let shortest = [idling, rolling, absolute].into_iter().flatten().reduce(f64::min);
        Left { shortest, idling, rolling, absolute }
    }
}

pub struct Left {
    pub shortest: Option<f64>,
    pub idling: Option<f64>,
    pub rolling: Option<f64>,
    pub absolute: Option<f64>,
}

fn elapsed(since: i64, now: i64) -> f64 {
    clock::number(now.saturating_sub(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts { idling: 900.0, rolling: 3600.0, absolute: 86400.0 };

    fn session(created: i64, rolled: i64, touched: i64) -> Session {
        Session { created, rolled, touched, ..Session::new(String::new(), 0) }
    }

    #[test]
    fn when_a_session_is_over() {
        let endless = Timeouts { idling: 0.0, rolling: 0.0, absolute: 0.0 };
        for (session, timeouts, expected) in [
            (session(100_000, 100_000, 100_000), TIMEOUTS, false),
            (session(99_100, 99_100, 99_100), TIMEOUTS, false),
            (session(99_000, 99_000, 99_099), TIMEOUTS, true),
            (session(96_000, 96_399, 100_000), TIMEOUTS, true),
            (session(13_599, 100_000, 100_000), TIMEOUTS, true),
            (session(0, 0, 0), endless, false),
            (session(i64::MIN, i64::MIN, i64::MIN), TIMEOUTS, true),
        ] {
            assert_eq!(session.is_over(timeouts, 100_000), expected, "{session:?}");
        }
    }

    #[test]
    fn what_use_makes_due() {
        let endless = Timeouts { idling: 0.0, rolling: 0.0, absolute: 0.0 };
        for (session, timeouts, expected) in [
            (session(0, 97_300, 99_940), TIMEOUTS, Refresh::None),
            (session(0, 97_300, 99_939), TIMEOUTS, Refresh::Touch),
            (session(0, 97_299, 100_000), TIMEOUTS, Refresh::Roll),
            (session(0, 0, 0), endless, Refresh::None),
        ] {
            assert_eq!(session.refresh(timeouts, 100_000), expected, "{session:?}");
        }
        let left = session(99_000, 99_500, 99_900).left(TIMEOUTS, 100_000);
        assert_eq!((left.shortest, left.idling), (Some(800.0), Some(800.0)));
        assert_eq!((left.rolling, left.absolute), (Some(3100.0), Some(85400.0)));
        assert!(session(0, 0, 0).left(endless, 9).shortest.is_none());
    }

    #[test]
    fn one_holder_for_each_audience() {
        let mut session = Session::new(String::new(), 0);
        let holder = |audience: &str, consumer: &str| Holder {
            audience: audience.into(),
            consumer: consumer.into(),
            credential: "k".into(),
            is_listed: true,
        };
        session.hold(holder("a", "ann"));
        session.hold(holder("b", "bob"));
        session.hold(holder("a", "eve"));
        assert_eq!(session.holder("a").map(|holder| &*holder.consumer), Some("eve"));
        for number in 0..20 {
            session.hold(holder(&format!("{number}"), "x"));
        }
        assert_eq!(session.holders.len(), MOST_HOLDERS);
        session.release("19");
        assert!(session.holder("19").is_none() && session.holder("18").is_some());
    }
}
