//! Counters that are known here and told to Redis from time to time (Kong's `sync_rate`, kong.md §5.2.6).

use std::collections::HashMap;

/// The name of a counter in Redis, and when what it counts is over (Unix time in seconds).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: Box<[u8]>,
    pub expires_s: i64,
}

/// More identifiers than fit into so many bytes are counted in Redis at once.
const LARGEST: usize = 16 * 1024 * 1024;
/// Beside its name, for what the table itself takes.
const OVERHEAD: usize = 96;

#[derive(Default)]
pub struct Synced {
    entries: HashMap<Box<[u8]>, Entry>,
    bytes: usize,
}

#[derive(Default)]
struct Entry {
    /// What Redis said last.
    base: i64,
    /// On its way to Redis.
    sent: i64,
    /// Counted since.
    added: i64,
    expires_s: i64,
}

/// What a request finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// What is used of each key.
    Known(Vec<i64>),
    /// Redis must be asked.
    Unknown,
    /// There is no room to keep it.
    Full,
}

impl Synced {
    pub fn find(&mut self, keys: &[Key], now_s: i64) -> Found {
        let used = |key: &Key| self.entries.get(&key.name).map(|entry| entry.base + entry.sent + entry.added);
        if let Some(known) = keys.iter().map(used).collect() {
            return Found::Known(known);
        }
        let needed: usize = keys.iter().map(|key| key.name.len() + OVERHEAD).sum();
        if self.bytes + needed > LARGEST {
            self.retain(|entry| entry.expires_s > now_s);
        }
        if self.bytes + needed > LARGEST { Found::Full } else { Found::Unknown }
    }

    /// What Redis says of the keys; what was counted here meanwhile counts besides.
    pub fn learn(&mut self, keys: &[Key], counts: &[i64]) {
        for (key, count) in keys.iter().zip(counts) {
            let known = self.entries.len();
            let entry = self.entries.entry(key.name.clone()).or_default();
            entry.base = entry.base.max(*count);
            entry.expires_s = key.expires_s;
            if self.entries.len() > known {
                self.bytes += key.name.len() + OVERHEAD;
            }
        }
    }

    pub fn add(&mut self, keys: &[Key]) {
        for key in keys {
            if let Some(entry) = self.entries.get_mut(&key.name) {
                entry.added += 1;
            }
        }
    }

    /// What Redis is to be told: key by key how much to add. What is over or was not counted since the last time is
    /// forgotten, so that Redis is asked about it again.
    pub fn take(&mut self, now_s: i64) -> Vec<(Key, i64)> {
        self.retain(|entry| entry.expires_s > now_s && entry.added > 0);
        let told = self.entries.iter_mut().map(|(name, entry)| {
            entry.sent = std::mem::take(&mut entry.added);
            (Key { name: name.clone(), expires_s: entry.expires_s }, entry.sent)
        });
        told.collect()
    }

    /// What the key counts now in all gateways; without it the attempt has failed, and is made again.
    pub fn told(&mut self, key: &Key, total: Option<i64>) {
        let Some(entry) = self.entries.get_mut(&key.name) else { return };
        let sent = std::mem::take(&mut entry.sent);
        match total {
            Some(total) => entry.base = total,
            None => entry.added += sent,
        }
    }

    fn retain(&mut self, mut stays: impl FnMut(&Entry) -> bool) {
        let bytes = &mut self.bytes;
        self.entries.retain(|name, entry| {
            let stays = stays(entry);
            *bytes -= if stays { 0 } else { name.len() + OVERHEAD };
            stays
        });
        self.entries.shrink_to(2 * self.entries.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, expires_s: i64) -> Key {
        Key { name: name.as_bytes().into(), expires_s }
    }

    #[test]
    fn counts_here_until_redis_is_told() {
        let mut synced = Synced::default();
        let keys = [key("a", 60), key("b", 3600)];
        assert_eq!(synced.find(&keys, 0), Found::Unknown);
        synced.learn(&keys, &[5, 7]);
        synced.add(&keys);
        synced.add(&keys[..1]);
        assert_eq!(synced.find(&keys, 0), Found::Known(vec![7, 8]));
        let mut told = synced.take(0);
        told.sort_by_key(|(key, _)| key.expires_s);
        assert_eq!(told, [(keys[0].clone(), 2), (keys[1].clone(), 1)]);
        synced.add(&keys);
        assert_eq!(synced.find(&keys, 0), Found::Known(vec![8, 9]), "what is on its way counts too");
        // Others have counted 3 meanwhile.
        synced.told(&keys[0], Some(10));
        synced.told(&keys[1], None);
        assert_eq!(synced.find(&keys, 0), Found::Known(vec![11, 9]));
        let mut told = synced.take(0);
        told.sort_by_key(|(key, _)| key.expires_s);
        assert_eq!(told, [(keys[0].clone(), 1), (keys[1].clone(), 2)], "what did not get through is told again");
    }

    #[test]
    fn what_is_over_or_idle_is_forgotten() {
        let mut synced = Synced::default();
        let keys = [key("over", 60), key("idle", 3600), key("busy", 3600)];
        synced.learn(&keys, &[0, 0, 0]);
        synced.add(&[keys[0].clone(), keys[2].clone()]);
        assert_eq!(synced.take(60), [(keys[2].clone(), 1)]);
        assert_eq!((synced.entries.len(), synced.bytes), (1, 4 + OVERHEAD));
    }

    #[test]
    fn two_that_ask_at_once_lose_nothing() {
        let mut synced = Synced::default();
        let keys = [key("a", 60)];
        synced.learn(&keys, &[4]);
        synced.add(&keys);
        synced.learn(&keys, &[4]);
        synced.add(&keys);
        assert_eq!(synced.find(&keys, 0), Found::Known(vec![6]));
    }

    #[test]
    fn it_is_bounded_in_bytes() {
        let mut synced = Synced::default();
        let long = |number: usize, expires_s| [Key { name: format!("{number:08000}").into_bytes().into(), expires_s }];
        let kept = (0..).find(|number| {
            let keys = long(*number, 60);
            let found = synced.find(&keys, 0);
            if found == Found::Unknown {
                synced.learn(&keys, &[0]);
            }
            found == Found::Full
        });
        assert_eq!(kept, Some(LARGEST / (8000 + OVERHEAD)));
        assert_eq!(synced.find(&long(1 << 20, 120), 60), Found::Unknown, "what is over makes room");
        assert_eq!(synced.bytes, 0);
    }
}
