//! What the gateway decides by, in tables that all requests share: settings, routes, plugin instances, consumers and
//! their groups.
//!
//! The control plane sends them in shards and says with a root which shards belong together; so one changed object is
//! one small message, and every request sees one consistent state from its route to its response.

mod consumer_groups;
mod consumers;
mod route;
mod settings;
mod shard;
mod steps;
mod store;
mod world;

pub use consumer_groups::ConsumerGroup;
pub use consumers::{Consumer, Credential, OAuthClient};
pub use route::{Answer, Entities, Names, Redirect, Route};
pub use settings::{Compat, IdentityHeaders, RealIp, Settings};
pub use shard::{Shard, parse_instance};
pub use store::{Root, Store};
pub use world::{Instance, World};

#[cfg(test)]
pub mod testing {
    use super::*;
    use serde_json::{Value, json};
    use std::sync::Arc;

    /// A state of one shard, with the usual settings and what `settings` gives besides.
    pub fn world_with(settings: &Value, shard: &Value) -> Arc<World> {
        let mut all = json!({"compat": "kong-3", "server_token": "kong/3.9.1", "clock": {"now_ms": 1_000_000}});
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let mut whole = json!({"shard": 0, "version": ""});
        whole.as_object_mut().unwrap().extend(shard.as_object().unwrap().clone());
        let shard = Shard::parse(&whole.to_string()).unwrap();
        assert_eq!(shard.problems, [] as [String; 0]);
        let settings = Arc::new(Settings::parse(&all.to_string()).unwrap());
        Arc::new(World::build(settings, [Arc::new(shard)].iter()))
    }

    pub fn world(shard: &Value) -> Arc<World> {
        world_with(&json!({}), shard)
    }
}
