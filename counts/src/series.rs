//! The series that one log has met, found again by what tells them apart.

use crate::labels::{Ended, Side};
use std::collections::HashMap;

/// As many series as a proxy may have; requests of further ones are not counted.
pub const MOST_COUNTERS: usize = 20_000;
pub const MOST_HISTOGRAMS: usize = 2_000;

/// `T` is what a series is counted by; it does not change, so a request adds to it and looks nothing else up.
pub struct Known<T> {
    side: Side,
    series: HashMap<Box<[u8]>, T>,
    /// Requests mostly follow others of their kind.
    last: Option<(Box<[u8]>, T)>,
    /// Written anew for each request.
    key: Vec<u8>,
}

impl<T: Copy> Known<T> {
    pub fn new(side: Side) -> Self {
        Self { side, series: HashMap::new(), last: None, key: Vec::new() }
    }

    /// `make` is asked once for each series. None where there is room for no more.
    pub fn of(&mut self, ended: &Ended, make: impl FnOnce() -> T) -> Option<T> {
        self.write_key(ended);
        if let Some((key, found)) = &self.last
            && **key == *self.key
        {
            return Some(*found);
        }
        let found = match self.series.get(&*self.key) {
            Some(found) => *found,
            None if self.series.len() >= MOST_COUNTERS => return None,
            None => {
                let made = make();
                self.series.insert(self.key.as_slice().into(), made);
                made
            }
        };
        self.last = Some((self.key.as_slice().into(), found));
        Some(found)
    }

    fn write_key(&mut self, ended: &Ended) {
        self.key.clear();
        self.key.push(ended.class());
        self.key.extend_from_slice(&ended.flags.to_ne_bytes());
        if self.side != Side::Callee {
            self.key.extend_from_slice(ended.service());
            // Ends the service: names of services have none.
            self.key.push(b'/');
            self.key.extend_from_slice(ended.cluster);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(known: &mut Known<usize>, ended: &Ended) -> Option<usize> {
        let next = known.series.len();
        known.of(ended, || next)
    }

    #[test]
    fn series_are_made_once() {
        let mut known = Known::new(Side::Caller);
        let (jazz, metal) =
            (Ended { cluster: b"jazz", ..Ended::default() }, Ended { cluster: b"metal", ..Ended::default() });
        let seen: Vec<_> = [&jazz, &metal, &jazz, &jazz, &metal].map(|one| made(&mut known, one)).into();
        assert_eq!(seen, [Some(0), Some(1), Some(0), Some(0), Some(1)]);
    }

    #[test]
    fn what_labels_tell_apart_counts_apart() {
        let mut known = Known::new(Side::Caller);
        let plain = Ended { cluster: b"c", route: b"s/r", code: 200, flags: 0 };
        let others = [
            plain,
            Ended { cluster: b"d", ..plain },
            Ended { route: b"t/r", ..plain },
            Ended { code: 500, ..plain },
            Ended { flags: 1, ..plain },
        ];
        for (number, one) in others.iter().enumerate() {
            assert_eq!(made(&mut known, one), Some(number));
        }
        assert_eq!(made(&mut known, &Ended { code: 204, route: b"s/other", ..plain }), Some(0));
    }

    #[test]
    fn callees_do_not_look_at_routes() {
        let mut known = Known::new(Side::Callee);
        assert_eq!(made(&mut known, &Ended { cluster: b"a", ..Ended::default() }), Some(0));
        assert_eq!(made(&mut known, &Ended { cluster: b"b", route: b"s/r", ..Ended::default() }), Some(0));
    }

    #[test]
    fn there_is_an_end() {
        let mut known = Known::new(Side::Callee);
        for flags in 0..MOST_COUNTERS as u64 {
            assert!(made(&mut known, &Ended { flags, ..Ended::default() }).is_some());
        }
        assert_eq!(made(&mut known, &Ended { flags: u64::MAX, ..Ended::default() }), None);
        assert_eq!(made(&mut known, &Ended::default()), Some(0));
    }
}
