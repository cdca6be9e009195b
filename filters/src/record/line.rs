//! Bytes that are written one behind the other: records of requests, and what is sent in their stead. Each thread has a buffer
//! for them that is there already; short texts are copied by a few moves, where a call would cost more than they do.

use crate::text::{MOST_DIGITS, write_decimal};
use std::cell::Cell;

/// More than most records have.
const USUAL: usize = 4096;
/// A longer buffer is not kept.
const MOST_KEPT: usize = 64 * 1024;

thread_local! {
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Has the thread's buffer while it is written, and gives it back when it goes.
#[derive(Debug, Default)]
pub struct Line {
    /// Whatever stands behind `end` is of no meaning.
    bytes: Vec<u8>,
    end: usize,
}

impl Line {
    pub fn new() -> Self {
        Self { bytes: KEPT.try_with(Cell::take).unwrap_or_default(), end: 0 }
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    pub fn is_empty(&self) -> bool {
        self.end == 0
    }

    pub fn len(&self) -> usize {
        self.end
    }

    /// Takes back what was written from here on.
    pub fn truncate(&mut self, length: usize) {
        self.end = self.end.min(length);
    }

    /// Where so many bytes can be written; they count once `wrote` has told.
    #[inline]
    pub fn room(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < length {
            self.grow(length);
        }
        &mut self.bytes[self.end..][..length]
    }

    /// None where the buffer would have to grow.
    #[inline]
    pub fn room_left(&mut self, length: usize) -> Option<&mut [u8]> {
        self.bytes.get_mut(self.end..)?.get_mut(..length)
    }

    #[inline]
    pub fn wrote(&mut self, length: usize) {
        self.end += length;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, length: usize) {
        let longer = (self.end + length).max(2 * self.bytes.len()).max(USUAL);
        self.bytes.resize(longer, 0);
    }

    /// Inlined, so that what is known beforehand is a few moves.
    #[inline(always)]
    pub fn push(&mut self, text: &[u8]) {
        self.room(text.len()).copy_from_slice(text);
        self.wrote(text.len());
    }

    pub fn push_number(&mut self, number: u64) {
        if number < 10 {
            return self.push(&[b'0' + number as u8]);
        }
        let room = self.room(MOST_DIGITS);
        let length = room.first_chunk_mut().map_or(0, |digits| write_decimal(number, digits));
        self.wrote(length);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.bytes.len() <= MOST_KEPT {
            // A thread that ends keeps nothing.
            let _ = KEPT.try_with(|kept| kept.set(std::mem::take(&mut self.bytes)));
        }
    }
}
