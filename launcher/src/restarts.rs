//! How often Envoy is started again.

use std::time::Duration;

/// An Envoy that ends again and again is no accident: the container's end makes the kubelet's back-off apply.
pub const MOST: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Restarts {
    ends: Vec<Duration>,
}

impl Restarts {
    /// Notes an end; may Envoy be started again?
    pub fn allow(&mut self, now: Duration) -> bool {
        self.ends.retain(|end| *end + WINDOW > now);
        self.ends.push(now);
        self.ends.len() <= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_within_a_minute_are_allowed() {
        let mut restarts = Restarts::default();
        let at = |seconds| Duration::from_secs(seconds);
        let allowed: Vec<_> = (0..7).map(|second| restarts.allow(at(second))).collect();
        assert_eq!(allowed, [true, true, true, true, true, false, false]);
        assert!(!restarts.allow(at(61)));
        assert!(restarts.allow(at(121)));
    }

    #[test]
    fn one_now_and_then_is_allowed_for_ever() {
        let mut restarts = Restarts::default();
        assert!((0..1_000).all(|minute| restarts.allow(Duration::from_secs(minute * 20))));
    }
}
