//! One consistent state of all tables; immutable, so that a request that began with it ends with it.

use crate::plugins::Plugin;
use crate::router::Router;
use crate::tables::consumers::{Consumer, Consumers};
use crate::tables::route::{Candidate, Route};
use crate::tables::settings::Settings;
use crate::tables::shard::Shard;
use std::collections::HashMap;
use std::sync::Arc;

/// One plugin with one configuration, wherever it is attached.
#[derive(Debug)]
pub struct Instance {
    pub id: Box<str>,
    pub plugin: Box<dyn Plugin>,
}

pub struct World {
    pub settings: Arc<Settings>,
    pub router: Router<Arc<Route>>,
    pub consumers: Consumers,
    instances: HashMap<Box<str>, Arc<Instance>>,
}

/// Rank of a plugin that only a consumer carries (kong.md §4.1).
const CONSUMER_RANK: u8 = 5;

/// What runs at one step of a request.
pub struct Chosen<'a> {
    pub order: u32,
    pub instance: Option<&'a Arc<Instance>>,
    pub scope: &'a str,
}

impl World {
    pub fn build<'a>(settings: Arc<Settings>, shards: impl Iterator<Item = &'a Arc<Shard>> + Clone) -> Self {
        let mut consumers = Consumers::default();
        shards.clone().flat_map(|shard| &shard.consumers).for_each(|consumer| consumers.add(consumer));
        let instances = shards.clone().flat_map(|shard| &shard.instances);
        Self {
            settings,
            instances: instances.map(|one| (one.id.clone(), Arc::clone(one))).collect(),
            router: Router::build(shards.flat_map(|shard| shard.routes.iter().cloned())),
            consumers,
        }
    }

    /// The plugins of all requests, also of those that no route takes.
    pub fn everywhere(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.settings.everywhere.iter().filter_map(|id| self.instances.get(id))
    }

    /// The first plugin of the order after `done` that has something to run on this route for this consumer.
    pub fn next_step<'a>(
        &'a self,
        route: &'a Route,
        consumer: Option<&'a Consumer>,
        done: Option<u32>,
    ) -> Option<Chosen<'a>> {
        let is_ahead = |order: u32| done.is_none_or(|done| order > done);
        let mut steps = route.steps.iter().filter(|step| is_ahead(step.order));
        let mut own = consumer.map_or(&[][..], |found| &found.own).iter().filter(|own| is_ahead(own.order)).peekable();
        let mut step = steps.next();
        loop {
            let order = match (step, own.peek()) {
                (None, None) => return None,
                (Some(step), Some(own)) => step.order.min(own.order),
                (Some(step), None) => step.order,
                (None, Some(own)) => own.order,
            };
            let of_route = step.filter(|step| step.order == order);
            let candidate = of_route.and_then(|step| step.candidates.iter().find(|one| fits(one, consumer)));
            let of_consumer = own.next_if(|own| own.order == order);
            let (id, scope) = match (candidate, of_consumer) {
                (Some(candidate), Some(own)) if own_wins(candidate) => (&own.instance, &own.scope),
                (Some(candidate), _) => (&candidate.instance, &candidate.scope),
                (None, Some(own)) => (&own.instance, &own.scope),
                (None, None) => {
                    step = steps.next();
                    continue;
                }
            };
            return Some(Chosen { order, instance: self.instances.get(id), scope });
        }
    }
}

fn own_wins(candidate: &Candidate) -> bool {
    candidate.rank > CONSUMER_RANK
}

fn fits(candidate: &Candidate, consumer: Option<&Consumer>) -> bool {
    !candidate.for_carriers || consumer.is_some_and(|consumer| consumer.carries.contains(&candidate.instance))
}
