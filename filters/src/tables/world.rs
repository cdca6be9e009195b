//! One consistent state of all tables; immutable, so that a request that began with it ends with it.

use crate::hashing::Table;
use crate::plugins::Plugin;
use crate::router::Router;
use crate::tables::consumer_groups::ConsumerGroup;
use crate::tables::consumers::{Consumer, Consumers};
use crate::tables::route::Route;
use crate::tables::settings::Settings;
use crate::tables::shard::Shard;
use std::sync::Arc;

/// One plugin with one configuration, wherever it is attached.
#[derive(Debug)]
pub struct Instance {
    pub id: Box<str>,
    /// The plugin's name.
    pub kind: &'static str,
    pub plugin: Box<dyn Plugin>,
}

pub struct World {
    pub settings: Arc<Settings>,
    pub router: Router<Arc<Route>>,
    pub consumers: Consumers,
    /// No plugin, wherever it is attached, sends a request on by another method than it came with.
    pub keeps_methods: bool,
    pub(super) instances: Table<Box<str>, Arc<Instance>>,
    groups: Table<Box<str>, Arc<ConsumerGroup>>,
}

impl World {
    pub fn build<'a>(settings: Arc<Settings>, shards: impl Iterator<Item = &'a Arc<Shard>> + Clone) -> Self {
        let groups = shards.clone().flat_map(|shard| &shard.consumer_groups);
        let groups: Table<Box<str>, Arc<ConsumerGroup>> =
            groups.map(|group| (group.id.clone(), Arc::clone(group))).collect();
        let mut consumers = Consumers::default();
        // Who belongs to a group that is not here would escape its plugins.
        let has_its_groups = |one: &Consumer| one.consumer_groups.iter().all(|id| groups.contains_key(id));
        let all = shards.clone().flat_map(|shard| &shard.consumers);
        all.filter(|consumer| has_its_groups(consumer)).for_each(|consumer| consumers.add(consumer));
        let instances = shards.clone().flat_map(|shard| &shard.instances);
        Self {
            settings,
            keeps_methods: !instances.clone().any(|one| one.plugin.changes_methods()),
            instances: instances.map(|one| (one.id.clone(), Arc::clone(one))).collect(),
            router: Router::build(shards.flat_map(|shard| shard.routes.iter().cloned())),
            consumers,
            groups,
        }
    }

    /// The groups that the consumer belongs to, in its order.
    pub fn groups_of<'a>(&'a self, consumer: &'a Consumer) -> impl Iterator<Item = &'a ConsumerGroup> + Clone {
        consumer.consumer_groups.iter().filter_map(|id| self.groups.get(id).map(|group| &**group))
    }

    /// The plugins of all requests, also of those that no route takes.
    pub fn everywhere(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.settings.everywhere.iter().filter_map(|id| self.instances.get(id))
    }

    /// Of a route of streams.
    pub fn counts_sessions_of(&self, route: &str) -> Option<&Instance> {
        self.instances.get(self.settings.sessions.get(route)?).map(|instance| &**instance)
    }

    /// Those of which one or the other runs on a route, whoever asks.
    pub fn attached_to<'a>(&'a self, route: &'a Route) -> impl Iterator<Item = &'a Arc<Instance>> {
        let candidates = route.steps.iter().flat_map(|step| &step.candidates);
        candidates.filter_map(|candidate| self.instances.get(&candidate.instance))
    }

    /// Whether a plugin wants who scrapes to see the health of upstreams.
    pub fn shows_upstreams(&self) -> bool {
        self.instances.values().any(|instance| instance.plugin.shows_upstreams(self.settings.compat))
    }
}
