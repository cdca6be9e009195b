//! Edits of headers, in Kong's order: remove, rename, replace, add, append.

use super::RawTransformer;
use crate::error::ConfigError;
use crate::headers::Response;
use crate::plugins::checks;
use crate::plugins::pairs::{split, split_with_colon};
use crate::text::Text;

/// Names are in lower case and, as nginx writes them in responses, with dashes for underscores.
#[derive(Debug, Default)]
pub struct HeaderEdits {
    remove: Vec<String>,
    rename: Vec<(String, String)>,
    replace: Vec<(String, String)>,
    add: Vec<(String, String)>,
    append: Vec<(String, String)>,
}

impl HeaderEdits {
    pub(super) fn parse(raw: &RawTransformer) -> Result<Self, ConfigError> {
        let removed = raw.remove.as_ref().and_then(|part| part.headers.as_deref()).unwrap_or_default();
        let renamed = raw.rename.as_ref().and_then(|part| part.headers.as_deref()).unwrap_or_default();
        let valued = |field, part: &Option<super::RawPairs>| {
            let pairs = part.as_ref().and_then(|part| part.headers.as_deref()).unwrap_or_default();
            pairs.iter().filter_map(|pair| valued_pair(field, pair).transpose()).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            remove: removed.iter().map(|name| removed_name(name)).collect::<Result<_, _>>()?,
            rename: renamed.iter().map(|pair| renamed_pair(pair)).collect::<Result<_, _>>()?,
            replace: valued("replace.headers", &raw.replace)?,
            add: valued("add.headers", &raw.add)?,
            append: valued("append.headers", &raw.append)?,
        })
    }

    pub fn is_empty(&self) -> bool {
        let Self { remove, rename, replace, add, append } = self;
        remove.is_empty() && [rename, replace, add, append].iter().all(|pairs| pairs.is_empty())
    }

    /// What is there is decided before the first edit: a removed header is still replaced, and not added.
    pub fn apply(&self, response: &mut Response<'_>) {
        let found = |pairs: &[(String, String)], response: &Response<'_>| -> Vec<bool> {
            pairs.iter().map(|(name, _)| response.value(name).is_some()).collect()
        };
        let (replaced, present) = (found(&self.replace, response), found(&self.add, response));
        let renamed: Vec<Vec<Text>> = self.rename.iter().map(|(old, _)| texts(&response.values(old))).collect();
        for name in &self.remove {
            response.remove(name.clone());
        }
        for ((old, new), values) in self.rename.iter().zip(renamed) {
            if !values.is_empty() {
                response.replace(new.clone(), values);
                response.remove(old.clone());
            }
        }
        for ((name, value), _) in self.replace.iter().zip(replaced).filter(|(_, is_there)| *is_there) {
            response.set(name.clone(), value);
        }
        for ((name, value), _) in self.add.iter().zip(present).filter(|(_, is_there)| !*is_there) {
            response.set(name.clone(), value);
        }
        for (name, value) in &self.append {
            response.add(name.clone(), value);
        }
    }
}

fn texts(values: &[&[u8]]) -> Vec<Text> {
    values.iter().map(|value| Text::from_slice(value)).collect()
}

/// `name:value` removes the whole header too.
fn removed_name(entry: &str) -> Result<String, ConfigError> {
    let (name, _) = split("remove.headers", entry)?;
    checks::header_name("remove.headers", &name)?;
    Ok(normal(&name))
}

fn renamed_pair(pair: &str) -> Result<(String, String), ConfigError> {
    let (old, new) = split_with_colon("rename.headers", pair)?;
    let new = new.unwrap_or_default();
    checks::free_header_name("rename.headers", &old)?;
    checks::free_header_name("rename.headers", &new)?;
    Ok((normal(&old), normal(&new)))
}

/// `None` without a value, which changes nothing.
fn valued_pair(field: &str, pair: &str) -> Result<Option<(String, String)>, ConfigError> {
    let (name, value) = split_with_colon(field, pair)?;
    checks::free_header_name(field, &name)?;
    let Some(value) = value else { return Ok(None) };
    checks::header_value(field, &value)?;
    Ok(Some((normal(&name), value.trim_matches([' ', '\t']).to_owned())))
}

fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}
