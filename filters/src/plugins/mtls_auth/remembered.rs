//! Which chains have been looked at, for a while: clients show the same with each request. However many come, so much is
//! known at most.

use super::authorities::{Authorities, Verified};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

pub type Key = [u8; 32];

/// Of a generation, in bytes; there are two.
const LARGEST: usize = 8 << 20;
/// Of one that is worth remembering.
const LARGEST_ONE: usize = 64 << 10;
/// Who is refused may be trusted soon after: a certificate's time begins.
const REFUSED_FOR_S: u64 = 10;

/// Nobody vouches for it: None.
type Finding = Option<Arc<Verified>>;

/// Apart, so that strangers push out nobody who is known.
static KNOWN: LazyLock<Chains> = LazyLock::new(|| Chains::new(LARGEST));
static STRANGERS: LazyLock<Chains> = LazyLock::new(|| Chains::new(LARGEST / 4));

/// By which a chain, as Envoy tells it, is known before these authorities.
pub fn key(authorities: &Authorities, chain: &[u8]) -> Key {
    Sha256::new().chain_update(authorities.fingerprint).chain_update(chain).finalize().into()
}

/// What was found, in seconds since 1970; None if nobody knows at this time.
pub fn find(key: &Key, now: u64) -> Option<Finding> {
    KNOWN.find(key, now).or_else(|| STRANGERS.find(key, now))
}

pub fn remember(key: Key, finding: &Finding, now: u64) {
    match finding {
        Some(verified) => KNOWN.add(key, finding, verified.until),
        None => STRANGERS.add(key, finding, now.saturating_add(REFUSED_FOR_S)),
    }
}

#[derive(Default)]
struct Generation {
    chains: HashMap<Key, (Finding, u64)>,
    bytes: usize,
}

struct Chains {
    capacity: usize,
    generations: Mutex<[Generation; 2]>,
}

impl Chains {
    fn new(capacity: usize) -> Self {
        Self { capacity, generations: Mutex::default() }
    }

    fn find(&self, key: &Key, now: u64) -> Option<Finding> {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let (finding, until) = generations.iter().find_map(|one| one.chains.get(key))?;
        (now <= *until).then(|| finding.clone())
    }

    /// When a generation is full the one before is forgotten.
    fn add(&self, key: Key, finding: &Finding, until: u64) {
        let size = 256 + finding.as_ref().map_or(0, |verified| verified.size());
        if size > LARGEST_ONE.min(self.capacity) {
            return;
        }
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations[0].bytes + size > self.capacity {
            generations.swap(0, 1);
            generations[0] = Generation::default();
        }
        if generations[0].chains.insert(key, (finding.clone(), until)).is_none() {
            generations[0].bytes += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_much_is_known() {
        let chains = Chains::new(10_000);
        for number in 0..10_000_u32 {
            let key: Key = Sha256::digest(number.to_be_bytes()).into();
            chains.add(key, &None, 5);
            assert_eq!((chains.find(&key, 5), chains.find(&key, 6)), (Some(None), None));
        }
        let generations = chains.generations.lock().unwrap();
        assert!(generations.iter().all(|one| one.bytes <= 10_000 && one.chains.len() <= 40));
    }

    #[test]
    fn what_is_large_is_not_remembered() {
        let chains = Chains::new(1 << 20);
        let mut large =
            Verified { holder: Default::default(), authorities: Vec::new(), questions: Vec::new(), until: 9 };
        large.holder.distinguished_name = "x".repeat(LARGEST_ONE).into();
        chains.add([1; 32], &Some(Arc::new(large)), 9);
        assert_eq!(chains.find(&[1; 32], 1), None);
    }
}
