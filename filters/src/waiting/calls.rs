//! Work that spends its time waiting for one far answer: a thread for each, so many at once and no more.

use super::{Completion, NotDone, Wait};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const MOST: usize = 256;
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Counts one for as long as it is there.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let taken =
            RUNNING.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < MOST).then_some(count + 1));
        taken.is_ok().then_some(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Wait {
    /// The work has to end by itself near its timeout. Above 256 at once the next is told `TooMany`.
    pub fn for_call<T: Send + 'static>(timeout: Duration, work: impl FnOnce() -> T + Send + 'static) -> Self {
        Self::new(timeout, move |completion| begin(completion, work))
    }
}

/// Work that nobody's stream waits for by itself, on a thread of its own. Whether it was begun: at most 256 are at once.
pub fn spawn(work: impl FnOnce() + Send + 'static) -> bool {
    let Some(place) = Place::take() else { return false };
    let spawned = thread::Builder::new().name("policy-call".into()).spawn(move || {
        let _place = place;
        work();
    });
    spawned.is_ok()
}

fn begin<T: Send + 'static>(completion: Completion, work: impl FnOnce() -> T + Send + 'static) {
    let Some(place) = Place::take() else { return completion.fail(NotDone::TooMany) };
    // Where no thread can be had the completion is dropped, which tells that nothing will come.
    let _ = thread::Builder::new().name("policy-call".into()).spawn(move || {
        let _place = place;
        completion.done(work());
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{PATIENCE, begun};
    use super::*;
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn so_many_at_once() {
        let (release, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let hanging = || {
            let gate = Arc::clone(&gate);
            begun(Wait::for_call(LONG, move || gate.lock().unwrap().recv().unwrap_or_default()))
        };
        let held: Vec<_> = (0..MOST).map(|_| hanging()).collect();
        let (ticket, rung) = hanging();
        rung.recv_timeout(PATIENCE).unwrap();
        assert_eq!(ticket.take().unwrap().into::<()>(), Err(NotDone::TooMany));
        drop(release);
        for (ticket, rung) in &held {
            rung.recv_timeout(PATIENCE).unwrap();
            assert_eq!(ticket.take().unwrap().into::<()>(), Ok(()));
        }
    }
}
