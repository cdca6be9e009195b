//! What was answered, kept for a while and for all threads. What clients ask for decides what is kept, never how much:
//! the bytes are bounded, and what was asked for longest ago goes first.

use crate::reply::Headers;
use lru::LruCache;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// A digest of all that an answer depends on.
pub type Key = [u8; 32];

/// Kong's `mem_cache_size`.
pub const DEFAULT_BYTES: usize = 128 * 1024 * 1024;
/// One answer takes at most this part of the store: Envoy buffers it whole for each client that reads slowly, as much as
/// it buffers of any response. All that are being gathered together take the other one.
const PART_OF_ONE: usize = 128;
const PART_GATHERED: usize = 4;
/// What an answer takes besides its headers and body, and a header besides its text.
const OVERHEAD: usize = 512;
const HEADER_OVERHEAD: usize = 64;

/// Of this process.
pub static STORE: LazyLock<Store> = LazyLock::new(|| Store::new(DEFAULT_BYTES));

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Without those that tell the client about the cache, or belong to a connection.
    pub headers: Headers,
    pub body: Arc<Vec<u8>>,
    /// What the upstream said of the length, where a HEAD asked.
    pub told_length: Option<u64>,
    /// When it was given (Unix time in seconds), and how long it is good for.
    pub given_s: i64,
    pub ttl_s: f64,
    /// None: until its place is needed.
    pub expires_ms: Option<i64>,
}

impl Answer {
    fn cost(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len() + HEADER_OVERHEAD).sum();
        OVERHEAD + headers + self.body.capacity()
    }

    fn is_over(&self, now_ms: i64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| now_ms >= expires_ms)
    }
}

#[derive(Debug)]
pub struct Store {
    most: AtomicUsize,
    /// Bytes of bodies that are on their way.
    gathered: AtomicUsize,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    answers: LruCache<Key, Arc<Answer>>,
    bytes: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self { answers: LruCache::unbounded(), bytes: 0 }
    }
}

impl Kept {
    fn remove(&mut self, key: &Key) -> Option<Arc<Answer>> {
        let answer = self.answers.pop(key)?;
        self.bytes -= answer.cost();
        Some(answer)
    }
}

impl Store {
    pub fn new(most: usize) -> Self {
        Self { most: AtomicUsize::new(most), gathered: AtomicUsize::new(0), kept: Mutex::default() }
    }

    /// How many bytes it may take from now on.
    pub fn allow(&self, most: usize) {
        if self.most.load(Ordering::Relaxed) != most {
            self.most.store(most, Ordering::Relaxed);
        }
    }

    pub fn largest(&self) -> usize {
        self.most.load(Ordering::Relaxed) / PART_OF_ONE
    }

    pub fn get(&self, key: &Key, now_ms: i64) -> Option<Arc<Answer>> {
        // What goes is given back to the system after the lock.
        let _over;
        let mut kept = self.lock();
        let answer = Arc::clone(kept.answers.get(key)?);
        if answer.is_over(now_ms) {
            _over = kept.remove(key);
            return None;
        }
        Some(answer)
    }

    pub fn put(&self, key: Key, answer: Answer) {
        let (cost, most) = (answer.cost(), self.most.load(Ordering::Relaxed));
        if cost > self.largest() {
            return;
        }
        let answer = Arc::new(answer);
        let mut gone = Vec::new();
        let mut kept = self.lock();
        gone.extend(kept.remove(&key));
        while kept.bytes + cost > most
            && let Some((_, oldest)) = kept.answers.pop_lru()
        {
            kept.bytes -= oldest.cost();
            gone.push(oldest);
        }
        kept.answers.put(key, answer);
        kept.bytes += cost;
        drop(kept);
        drop(gone);
    }

    /// Whether there was one.
    pub fn purge(&self, key: &Key) -> bool {
        let gone = self.lock().remove(key);
        gone.is_some()
    }

    pub fn flush(&self) {
        let gone = mem::take(&mut *self.lock());
        drop(gone);
    }

    /// Room for a body that is on its way; false where none is left.
    pub fn reserve(&self, bytes: usize) -> bool {
        let most = self.most.load(Ordering::Relaxed) / PART_GATHERED;
        let add = |gathered: usize| gathered.checked_add(bytes).filter(|gathered| *gathered <= most);
        self.gathered.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    pub fn release(&self, bytes: usize) {
        self.gathered.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn sizes(&self) -> (usize, usize, usize) {
        let kept = self.lock();
        (kept.answers.len(), kept.bytes, self.gathered.load(Ordering::Relaxed))
    }
}
