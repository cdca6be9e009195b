//! One kind of place to edit, in Kong's order: remove, rename, replace, add, append.

use super::template::Template;
use super::{RawNames, RawPairs, RawTransformer};
use crate::error::ConfigError;
use crate::plugins::checks;
use crate::plugins::pairs::{split, split_with_colon};

#[derive(Debug, Default)]
pub struct Edits {
    pub remove: Vec<String>,
    pub rename: Vec<Pair>,
    pub replace: Vec<Pair>,
    pub add: Vec<Pair>,
    pub append: Vec<Pair>,
}

#[derive(Debug)]
pub struct Pair {
    pub name: String,
    pub value: Template,
}

/// Where edits happen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Area {
    Headers,
    Query,
    Body,
}

impl Edits {
    pub(super) fn parse(raw: &RawTransformer, area: Area) -> Result<Self, ConfigError> {
        let removed = names(raw.remove.as_ref(), area).iter();
        let valued = |field: &str, part: Option<&RawPairs>| {
            let parsed = pairs(part, area).iter().map(|entry| area.pair(field, entry)).filter_map(Result::transpose);
            parsed.collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            remove: removed.map(|entry| area.removed(entry)).collect::<Result<_, _>>()?,
            rename: valued("rename", raw.rename.as_ref())?,
            replace: valued("replace", raw.replace.as_ref())?,
            add: valued("add", raw.add.as_ref())?,
            append: valued("append", raw.append.as_ref())?,
        })
    }

    pub fn is_empty(&self) -> bool {
        let Self { remove, rename, replace, add, append } = self;
        remove.is_empty() && [rename, replace, add, append].iter().all(|pairs| pairs.is_empty())
    }
}

impl Area {
    fn field(self, part: &str) -> String {
        let area = match self {
            Self::Headers => "headers",
            Self::Query => "querystring",
            Self::Body => "body",
        };
        format!("{part}.{area}")
    }

    /// `name:value` removes the same as `name`.
    fn removed(self, entry: &str) -> Result<String, ConfigError> {
        let field = self.field("remove");
        let (name, _) = split(&field, entry)?;
        self.name(&field, name)
    }

    /// None for a header without a value, which changes nothing.
    fn pair(self, part: &str, entry: &str) -> Result<Option<Pair>, ConfigError> {
        let field = self.field(part);
        let (name, value) = split_with_colon(&field, entry)?;
        let is_host = self == Self::Headers && part == "replace" && name.eq_ignore_ascii_case("host");
        let name = if is_host { "host".to_owned() } else { self.name(&field, name)? };
        let Some(mut value) = value else {
            let is_wrong = self != Self::Headers || part == "rename";
            let problem = || ConfigError::Invalid(format!("{field}: key '{name}' has no value").into());
            return if is_wrong { Err(problem()) } else { Ok(None) };
        };
        if self == Self::Headers && part == "rename" {
            value = self.name(&field, value)?;
        } else if self == Self::Headers {
            checks::header_value(&field, &value)?;
        }
        Ok(Some(Pair { name, value: Template::parse(&field, &value)? }))
    }

    fn name(self, field: &str, name: String) -> Result<String, ConfigError> {
        if self != Self::Headers {
            return Ok(name);
        }
        checks::free_header_name(field, &name)?;
        checks::no_internal_header(field, &name)?;
        Ok(name.to_ascii_lowercase())
    }
}

fn names(part: Option<&RawNames>, area: Area) -> &[String] {
    let list = part.and_then(|part| match area {
        Area::Headers => part.headers.as_deref(),
        Area::Query => part.querystring.as_deref(),
        Area::Body => part.body.as_deref(),
    });
    list.unwrap_or_default()
}

fn pairs(part: Option<&RawPairs>, area: Area) -> &[String] {
    let list = part.and_then(|part| match area {
        Area::Headers => part.headers.as_deref(),
        Area::Query => part.querystring.as_deref(),
        Area::Body => part.body.as_deref(),
    });
    list.unwrap_or_default()
}
