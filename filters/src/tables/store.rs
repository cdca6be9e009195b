//! From shards to states: what arrives is kept aside until a root names it, and then taken over as a whole.

use crate::error::ConfigError;
use crate::tables::settings::Settings;
use crate::tables::shard::Shard;
use crate::tables::world::World;
use arc_swap::ArcSwapOption;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Which shards make a state, by number; and the settings that go with them.
#[derive(Debug)]
pub struct Root {
    settings: Arc<Settings>,
    versions: Vec<Box<str>>,
}

impl Root {
    pub fn parse(json: &str) -> Result<Self, ConfigError> {
        let raw: RawRoot<'_> = serde_json::from_str(json)?;
        Ok(Self { settings: Arc::new(Settings::parse(raw.settings.get())?), versions: raw.shards })
    }
}

#[derive(Deserialize)]
struct RawRoot<'a> {
    #[serde(borrow)]
    settings: &'a RawValue,
    shards: Vec<Box<str>>,
}

/// Holds the current state. Parts may come in any order and more than once.
#[derive(Default)]
pub struct Store {
    current: ArcSwapOption<World>,
    staged: Mutex<Staged>,
}

#[derive(Default)]
struct Staged {
    /// By number: the one in use, and the newest that no root has named yet.
    shards: BTreeMap<usize, Vec<Arc<Shard>>>,
    root: Option<Root>,
}

impl Store {
    pub fn world(&self) -> Option<Arc<World>> {
        self.current.load_full()
    }

    pub fn add_shard(&self, shard: Shard) {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        let known = staged.shards.entry(shard.number).or_default();
        known.retain(|other| other.version != shard.version);
        known.push(Arc::new(shard));
        if known.len() > 2 {
            // The first is in use, or was when the last root came; what came between is outdated.
            known.remove(1);
        }
        self.take_over(&mut staged);
    }

    pub fn set_root(&self, root: Root) {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        staged.root = Some(root);
        self.take_over(&mut staged);
    }

    /// Makes the state that the root names, if all of it is here.
    fn take_over(&self, staged: &mut Staged) {
        let Some(root) = &staged.root else { return };
        let named: Option<Vec<Arc<Shard>>> =
            root.versions.iter().enumerate().map(|(number, version)| staged.find(number, version)).collect();
        let Some(shards) = named else { return };
        self.current.store(Some(Arc::new(World::build(Arc::clone(&root.settings), shards.iter()))));
        staged.root = None;
        staged.shards.retain(|number, _| *number < shards.len());
        for (known, named) in staged.shards.values_mut().zip(shards) {
            known.retain(|shard| Arc::ptr_eq(shard, &named));
        }
    }
}

impl Staged {
    fn find(&self, number: usize, version: &str) -> Option<Arc<Shard>> {
        self.shards.get(&number)?.iter().find(|shard| &*shard.version == version).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(number: usize, version: &str, consumer: &str) -> Shard {
        let json = format!(r#"{{"shard": {number}, "version": "{version}", "consumers": [{{"id": "{consumer}"}}]}}"#);
        Shard::parse(&json).unwrap()
    }

    fn root(versions: &[&str]) -> Root {
        let json = serde_json::json!({"settings": {"compat": "kong-3", "server_token": "t"}, "shards": versions});
        Root::parse(&json.to_string()).unwrap()
    }

    fn knows(store: &Store, consumer: &str) -> bool {
        store.world().is_some_and(|world| world.consumers.find(consumer).is_some())
    }

    #[test]
    fn a_state_is_taken_over_when_all_of_it_is_here() {
        let store = Store::default();
        store.add_shard(shard(0, "a", "ann"));
        assert!(store.world().is_none());
        store.set_root(root(&["a", "b"]));
        assert!(store.world().is_none());
        store.add_shard(shard(1, "b", "bob"));
        assert!(knows(&store, "ann") && knows(&store, "bob"));
    }

    #[test]
    fn what_no_root_names_changes_nothing() {
        let store = Store::default();
        store.add_shard(shard(0, "a", "ann"));
        store.set_root(root(&["a"]));
        store.add_shard(shard(0, "b", "bob"));
        store.add_shard(shard(0, "c", "cy"));
        assert!(knows(&store, "ann") && !knows(&store, "bob"));
        store.set_root(root(&["c"]));
        assert!(knows(&store, "cy") && !knows(&store, "ann"));
    }

    #[test]
    fn a_state_may_come_back() {
        let store = Store::default();
        for version in ["a", "b", "a"] {
            store.add_shard(shard(0, version, version));
            store.set_root(root(&[version]));
            assert!(knows(&store, version));
        }
        // The same once more, as after a reconnection.
        store.add_shard(shard(0, "a", "a"));
        store.set_root(root(&["a"]));
        assert!(knows(&store, "a"));
    }

    #[test]
    fn settings_that_cannot_be_read_are_refused() {
        for json in [r#"{"shards": []}"#, r#"{"settings": {"compat": "kong-9", "server_token": ""}, "shards": []}"#] {
            assert!(Root::parse(json).is_err(), "{json}");
        }
        let salted = r#"{"settings": {"compat": "kong-3", "server_token": "", "salt": "zz"}, "shards": []}"#;
        assert!(Root::parse(salted).unwrap_err().to_string().contains("salt"));
    }
}
