//! Which plugin instance runs next: for each plugin the attachment that comes first in the order of scopes (kong.md §4.1).

use crate::tables::consumers::{Consumer, OwnInstance};
use crate::tables::route::{Candidate, Route};
use crate::tables::world::{Instance, World};
use std::sync::Arc;

/// Ranks of a plugin that only a consumer, or only a group of consumers, carries; those of candidates are written by the
/// control plane: smaller where a route or service is concerned too, larger without a consumer.
const CONSUMER_RANK: u8 = 4;
const GROUP_RANK: u8 = 5;

/// What runs at one step of a request.
pub struct Chosen<'a> {
    pub order: u32,
    pub instance: Option<&'a Arc<Instance>>,
    pub scope: &'a str,
}

impl World {
    /// The first plugin of the order after `done` that has something to run on this route for this consumer.
    pub fn next_step<'a>(
        &'a self,
        route: &'a Route,
        consumer: Option<&'a Consumer>,
        mut done: Option<u32>,
    ) -> Option<Chosen<'a>> {
        loop {
            let order = self.next_order(route, consumer, done)?;
            if let Some((instance, scope)) = self.chosen_at(order, route, consumer) {
                return Some(Chosen { order, instance: self.instances.get(instance), scope });
            }
            done = Some(order);
        }
    }

    fn next_order(&self, route: &Route, consumer: Option<&Consumer>, done: Option<u32>) -> Option<u32> {
        let is_ahead = |order: &u32| done.is_none_or(|done| *order > done);
        let of_route = route.steps.iter().map(|step| step.order).find(is_ahead);
        let followers = consumer.into_iter().flat_map(|consumer| self.followers_of(consumer));
        let of_consumer = followers.filter_map(|(_, own)| own.iter().map(|one| one.order).find(is_ahead));
        of_route.into_iter().chain(of_consumer).min()
    }

    /// What of one plugin wins here: the id of an instance and the scope of its counters.
    fn chosen_at<'a>(
        &'a self,
        order: u32,
        route: &'a Route,
        consumer: Option<&'a Consumer>,
    ) -> Option<(&'a str, &'a str)> {
        let step = route.steps.iter().find(|step| step.order == order);
        let candidate = step.and_then(|step| step.candidates.iter().find(|one| self.fits(one, consumer)));
        let attached = candidate.map(|one| (one.rank, (&*one.instance, &*one.scope)));
        let followers = consumer.into_iter().flat_map(|consumer| self.followers_of(consumer));
        let mut following = followers.filter_map(|(rank, own)| {
            own.iter().find(|one| one.order == order).map(|one| (rank, (&*one.instance, &*one.scope)))
        });
        let found = attached.into_iter().chain(following.next());
        found.min_by_key(|(rank, _)| *rank).map(|(_, chosen)| chosen)
    }

    /// Plugins that follow the consumer wherever it goes: its own, then those of its groups.
    fn followers_of<'a>(&'a self, consumer: &'a Consumer) -> impl Iterator<Item = (u8, &'a [OwnInstance])> {
        let of_groups = self.groups_of(consumer).map(|group| (GROUP_RANK, &*group.own));
        std::iter::once((CONSUMER_RANK, &*consumer.own)).chain(of_groups)
    }

    fn fits(&self, candidate: &Candidate, consumer: Option<&Consumer>) -> bool {
        let carries = |consumer: &Consumer| {
            consumer.carries.contains(&candidate.instance)
                || self.groups_of(consumer).any(|group| group.carries.contains(&candidate.instance))
        };
        !candidate.for_carriers || consumer.is_some_and(carries)
    }
}
