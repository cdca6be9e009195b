//! Which route takes a request: an immutable index over the routes' paths, built anew for every configuration.
//!
//! The router knows no precedence of its own: of all entries that match, the one with the smallest rank wins. A decision
//! looks at the hosts and literal path beginnings that fit the request and at nothing else. Work is bounded for any
//! input: regexes take linear time, hosts and regexes are limited in size, nothing recurses.
//!
//! Indexing never compiles anything: regexes live in the entries, which a new router shares with the old one.

mod entry;
mod error;
mod headers;
mod hosts;
#[cfg(test)]
mod measure;
mod path_index;
mod paths;
pub mod patterns;
#[cfg(test)]
mod tests;

pub use entry::{Entry, Query, Scheme, Schemes};
pub use error::PatternError;
pub use headers::HeaderCondition;
pub use hosts::HostPattern;
pub use paths::{PathKind, PathPattern};

use hosts::HostIndex;
use std::sync::Arc;

pub struct Router<T> {
    /// By rank. A place in this list stands for an entry, and a smaller place for a better one.
    entries: Box<[Arc<Entry<T>>]>,
    hosts: HostIndex,
}

impl<T> Router<T> {
    /// Of entries with equal rank the first given is the better one.
    pub fn build(entries: impl IntoIterator<Item = Arc<Entry<T>>>) -> Self {
        let mut entries: Box<[_]> = entries.into_iter().collect();
        entries.sort_by(|one, other| one.rank.cmp(&other.rank));
        let hosts = HostIndex::new(entries.iter().map(|entry| (entry.hosts.as_slice(), entry.path.literal())));
        Self { entries, hosts }
    }

    pub fn choose(&self, query: &Query<'_>) -> Option<&Arc<Entry<T>>> {
        let mut best = self.entries.len();
        for paths in self.hosts.fitting(query.host) {
            for places in paths.beginning(query.path) {
                let mut better = places.iter().copied().take_while(|place| *place < best);
                best = better.find(|place| self.entries[*place].takes(query)).unwrap_or(best);
            }
        }
        self.entries.get(best)
    }

    /// All that match, the best first; `choose` gives the first of them.
    pub fn all(&self, query: &Query<'_>) -> Vec<&Arc<Entry<T>>> {
        let mut places: Vec<usize> = Vec::new();
        for paths in self.hosts.fitting(query.host) {
            places.extend(paths.beginning(query.path).flatten().filter(|place| self.entries[**place].takes(query)));
        }
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|place| &self.entries[place]).collect()
    }

    /// The best first.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry<T>>> {
        self.entries.iter()
    }
}
