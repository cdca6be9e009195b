//! What could not be written or sent: counted, and told in Envoy's log, once at first and then once a minute at most.

use crate::journal::{self, Level};
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(60);

/// How many records each log plugin has lost; None while nobody uses it.
static TOTALS: LazyLock<Mutex<Vec<(&'static str, u64)>>> = LazyLock::new(Mutex::default);

/// By plugin, for who scrapes.
pub fn totals() -> Vec<(&'static str, u64)> {
    TOTALS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn add_to_total(plugin: &'static str, count: u64) {
    let mut totals = TOTALS.lock().unwrap_or_else(PoisonError::into_inner);
    match totals.iter_mut().find(|(name, _)| *name == plugin) {
        Some((_, total)) => *total += count,
        None => totals.push((plugin, count)),
    }
}

/// Of one place that records go to.
#[derive(Debug)]
pub struct Losses {
    plugin: &'static str,
    place: Box<str>,
    /// Since they were told last.
    untold: AtomicU64,
    is_counted: AtomicBool,
    told: Mutex<Option<Instant>>,
}

impl Losses {
    /// `place` is told: nothing secret may stand in it.
    pub fn new(plugin: &'static str, place: &str) -> Self {
        let place = place.replace(char::is_control, " ").into();
        Self { plugin, place, untold: AtomicU64::new(0), is_counted: AtomicBool::new(false), told: Mutex::new(None) }
    }

    pub fn lost(&self, records: u64, why: &dyn Display) {
        add_to_total(self.plugin, records);
        self.untold.fetch_add(records, Ordering::Relaxed);
        self.tell(why);
    }

    /// A record has got there: losses begin to count from 0, and what has not been told yet is told when its time has come.
    pub fn kept(&self) {
        if !self.is_counted.load(Ordering::Relaxed) && !self.is_counted.swap(true, Ordering::Relaxed) {
            add_to_total(self.plugin, 0);
        }
        if self.untold.load(Ordering::Relaxed) > 0 {
            self.tell(&"records get there again");
        }
    }

    fn tell(&self, why: &dyn Display) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed() < PAUSE) {
            return;
        }
        *told = Some(Instant::now());
        let lost = self.untold.swap(0, Ordering::Relaxed);
        let records = if lost == 1 { "1 record is lost".to_owned() } else { format!("{lost} records are lost") };
        let Self { plugin, place, .. } = self;
        journal::tell(Level::Error, &format!("[{plugin}] {place}: {records}: {why} (told once a minute at most)"));
    }

    #[cfg(test)]
    pub fn lost_any(&self) -> bool {
        self.told.lock().unwrap().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_once_and_then_counted() {
        let losses = Losses::new("losing", "/a\nb");
        losses.kept();
        let total = || totals().into_iter().find(|(name, _)| *name == "losing").unwrap().1;
        assert_eq!(total(), 0);
        losses.lost(1, &"no space");
        assert_eq!((losses.untold.load(Ordering::Relaxed), total()), (0, 1));
        losses.lost(2, &"no space");
        losses.kept();
        assert_eq!((losses.untold.load(Ordering::Relaxed), total()), (2, 3));
        assert_eq!(&*losses.place, "/a b");
    }
}
