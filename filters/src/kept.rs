//! Connections that are kept for whoever needs one to the same place.

use crate::net::Connection;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub struct Pool<P> {
    /// To one place.
    most: usize,
    places: Mutex<HashMap<P, Vec<Kept>>>,
}

struct Kept {
    connection: Connection,
    until: Instant,
}

impl<P: Clone + Eq + Hash> Pool<P> {
    pub fn new(most: usize) -> Self {
        Self { most, places: Mutex::default() }
    }

    /// One that is open as far as can be told.
    pub fn take(&self, place: &P) -> Option<Connection> {
        loop {
            let Kept { mut connection, until } = self.lock().get_mut(place)?.pop()?;
            if Instant::now() < until && !connection.is_closed() {
                return Some(connection);
            }
        }
    }

    /// Those to all places that were idle for too long are closed.
    pub fn keep(&self, place: &P, connection: Connection, keepalive: Duration) {
        let now = Instant::now();
        let mut places = self.lock();
        places.retain(|_, kept| {
            kept.retain(|one| now < one.until);
            !kept.is_empty()
        });
        let kept = places.entry(place.clone()).or_default();
        if kept.len() < self.most {
            kept.push(Kept { connection, until: now + keepalive });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<P, Vec<Kept>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
