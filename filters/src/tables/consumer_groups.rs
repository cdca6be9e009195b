//! Groups of consumers. A consumer names its groups by their ids, so a plugin of a group is here once, however many
//! consumers it is for.

use crate::error::ConfigError;
use crate::tables::consumers::OwnInstance;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Debug, Deserialize)]
pub struct ConsumerGroup {
    pub id: Box<str>,
    pub name: Box<str>,
    /// Plugin instances that apply to its members where a route or service refers to them too.
    #[serde(default)]
    pub carries: Vec<Box<str>>,
    /// Plugin instances that follow its members wherever they go.
    #[serde(default)]
    pub own: Vec<OwnInstance>,
}

impl ConsumerGroup {
    pub fn parse(json: &str) -> Result<Arc<Self>, ConfigError> {
        let mut group: Self = serde_json::from_str(json)?;
        group.own.sort_by_key(|own| own.order);
        Ok(Arc::new(group))
    }
}
