//! What is known of each descriptor: who asks epoll about it, and whether anything can be left to read.
//!
//! A descriptor belongs to one thread's epoll at a time, by which what is told here is in order.

use crate::told;
use libc::{EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLLERR, EPOLLHUP, EPOLLRDHUP, c_int};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Higher ones are read as ever. Only what is touched takes memory.
const MOST: usize = 1 << 20;

static STATES: [AtomicU8; MOST] = [const { AtomicU8::new(UNKNOWN) }; MOST];

/// Nobody has asked epoll about it.
const UNKNOWN: u8 = 0;
/// Epoll will report it under its own number; it has not been read since it knows.
const WATCHED: u8 = 1;
/// It ends, fails, or cannot be told of what is left.
const PLAIN: u8 = 2;
/// Told, and may have something.
const TOLD: u8 = 3;
/// Told that nothing was left, and not reported since.
const EMPTY: u8 = 4;

pub enum Way {
    Plain,
    Told,
    NothingThere,
}

/// Nothing is there once only: who asks again wants to know.
pub fn way_of(socket: c_int) -> Way {
    let Some(state) = state(socket) else { return Way::Plain };
    match state.load(Relaxed) {
        TOLD => Way::Told,
        EMPTY => {
            state.store(TOLD, Relaxed);
            Way::NothingThere
        }
        WATCHED if told::is_told(socket) => {
            state.store(TOLD, Relaxed);
            Way::Told
        }
        WATCHED => {
            state.store(PLAIN, Relaxed);
            Way::Plain
        }
        _ => Way::Plain,
    }
}

pub fn emptied(socket: c_int) {
    if let Some(state) = state(socket) {
        state.store(EMPTY, Relaxed);
    }
}

/// `data` is what epoll will report it by, which has to be its number: else nobody would know of what comes.
pub fn registered(socket: c_int, operation: c_int, data: Option<u64>) {
    let Some(state) = state(socket) else { return };
    let is_by_number = data.is_some_and(|data| u64::try_from(socket) == Ok(data));
    match operation {
        EPOLL_CTL_ADD if is_by_number => state.store(WATCHED, Relaxed),
        EPOLL_CTL_MOD if is_by_number => may_have_something(state),
        EPOLL_CTL_ADD | EPOLL_CTL_MOD => state.store(PLAIN, Relaxed),
        _ => state.store(UNKNOWN, Relaxed),
    }
}

/// An end or an error may have come before data was read, and is reported once.
pub fn reported(data: u64, events: u32) {
    let Some(state) = c_int::try_from(data).ok().and_then(state) else { return };
    if events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP) as u32 == 0 {
        may_have_something(state);
    } else if state.load(Relaxed) != UNKNOWN {
        state.store(PLAIN, Relaxed);
    }
}

pub fn closed(file: c_int) {
    if let Some(state) = state(file) {
        state.store(UNKNOWN, Relaxed);
    }
}

fn may_have_something(state: &AtomicU8) {
    if state.load(Relaxed) == EMPTY {
        state.store(TOLD, Relaxed);
    }
}

fn state(socket: c_int) -> Option<&'static AtomicU8> {
    STATES.get(usize::try_from(socket).ok()?)
}
