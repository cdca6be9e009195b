//! What a directory said of logins, for a while. A login is known by a keyed digest only, under a key that never leaves
//! the process; and however many come, so many are known at most.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

pub type Key = [u8; 32];

/// Of a generation; there are two. About 5 MiB for right logins and 1 MiB for wrong ones.
const RIGHT: usize = 32 * 1024;
const WRONG: usize = 8 * 1024;

/// Apart, so that guesses push out nobody who is known.
static RIGHT_ONES: LazyLock<Logins> = LazyLock::new(|| Logins::new(RIGHT));
static WRONG_ONES: LazyLock<Logins> = LazyLock::new(|| Logins::new(WRONG));

/// None where the system gives no random numbers: nothing is remembered then.
pub fn key(parts: &[&[u8]]) -> Option<Key> {
    static SECRET: LazyLock<Option<[u8; 32]>> = LazyLock::new(|| {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).ok().map(|()| secret)
    });
    let begun = Sha256::new().chain_update((*SECRET)?);
    let add = |digest: Sha256, part: &&[u8]| digest.chain_update((part.len() as u64).to_be_bytes()).chain_update(part);
    Some(parts.iter().fold(begun, add).finalize().into())
}

/// Whether the login is right; None if nobody knows at this time.
pub fn find(key: &Key, now: Instant) -> Option<bool> {
    if RIGHT_ONES.has(key, now) {
        return Some(true);
    }
    WRONG_ONES.has(key, now).then_some(false)
}

pub fn remember(key: Key, is_right: bool, until: Instant) {
    (if is_right { &RIGHT_ONES } else { &WRONG_ONES }).add(key, until);
}

struct Logins {
    capacity: usize,
    generations: Mutex<[HashMap<Key, Instant>; 2]>,
}

impl Logins {
    fn new(capacity: usize) -> Self {
        Self { capacity, generations: Mutex::default() }
    }

    fn has(&self, key: &Key, now: Instant) -> bool {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.iter().find_map(|known| known.get(key)).is_some_and(|until| now < *until)
    }

    /// When a generation is full the one before is forgotten.
    fn add(&self, key: Key, until: Instant) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations[0].len() >= self.capacity {
            generations.swap(0, 1);
            generations[0].clear();
        }
        generations[0].insert(key, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn logins_are_known_for_a_while() {
        let now = Instant::now();
        let logins = Logins::new(2);
        logins.add([1; 32], now + Duration::from_secs(1));
        assert!(logins.has(&[1; 32], now));
        assert!(!logins.has(&[1; 32], now + Duration::from_secs(1)));
        assert!(!logins.has(&[2; 32], now));
        logins.add([1; 32], now + Duration::from_secs(5));
        assert!(logins.has(&[1; 32], now + Duration::from_secs(4)));
    }

    #[test]
    fn only_so_many_are_known() {
        let now = Instant::now();
        let logins = Logins::new(100);
        for number in 0..10_000_u32 {
            let key: Key = Sha256::digest(number.to_be_bytes()).into();
            logins.add(key, now + Duration::from_secs(1));
            assert!(logins.has(&key, now));
        }
        let generations = logins.generations.lock().unwrap();
        assert!(generations.iter().map(HashMap::len).sum::<usize>() <= 200);
    }

    #[test]
    fn a_key_tells_its_parts_apart() {
        assert_eq!(key(&[b"a", b"b"]), key(&[b"a", b"b"]));
        assert_ne!(key(&[b"a", b"b"]), key(&[b"ab", b""]));
        let plain: Key = Sha256::digest(b"a").into();
        assert_ne!(key(&[b"a"]), Some(plain));
    }
}
