//! An answer that is to be kept, while its body passes on the way to the client.

use crate::copying::BodyCopy;
use crate::plugins::proxy_cache::store::{Answer, Key, Store};
use std::mem;
use std::sync::Arc;

const FIRST: usize = 4096;

#[derive(Debug)]
pub struct Gathering {
    store: &'static Store,
    key: Key,
    /// Without its body; None once it is kept.
    answer: Option<Answer>,
    body: Vec<u8>,
    /// What the body may take of the store's budget by now.
    reserved: usize,
    /// The length that was told.
    length: usize,
}

impl Gathering {
    /// None for what is too long anyway. `length` is what the upstream tells of it.
    pub fn new(store: &'static Store, key: Key, answer: Answer, length: Option<u64>) -> Option<Self> {
        let length = length.map_or(Some(usize::MAX), |length| usize::try_from(length).ok())?;
        let fits = length == usize::MAX || length <= store.largest();
        fits.then_some(Self { store, key, answer: Some(answer), body: Vec::new(), reserved: 0, length })
    }

    /// Doubles, so that no byte is moved more than twice, but a client cannot have room kept for what it does not take.
    fn make_room(&mut self, needed: usize) -> bool {
        if needed <= self.body.capacity() {
            return true;
        }
        let wanted = needed.max(FIRST.max(2 * self.body.capacity()).min(self.length));
        let more = wanted - self.reserved;
        if !self.store.reserve(more) {
            return false;
        }
        self.reserved = wanted;
        self.body.try_reserve_exact(wanted - self.body.len()).is_ok()
    }
}

impl BodyCopy for Gathering {
    fn add(&mut self, part: &[u8]) -> bool {
        let needed = self.body.len() + part.len();
        if needed > self.store.largest() || !self.make_room(needed) {
            return false;
        }
        self.body.extend_from_slice(part);
        true
    }

    fn finish(mut self: Box<Self>) {
        let Some(answer) = self.answer.take() else { return };
        let mut body = mem::take(&mut self.body);
        body.shrink_to_fit();
        self.store.put(self.key, Answer { body: Arc::new(body), ..answer });
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.store.release(self.reserved);
    }
}
