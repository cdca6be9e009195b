//! Which call a request means.

use crate::error::ConfigError;
use crate::router::patterns;
use regex_automata::Anchored;
use regex_automata::Input;
use regex_automata::meta::Regex;
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt::Write;

/// One way to call a method by HTTP.
#[derive(Debug)]
pub struct Binding {
    regex: Regex,
    variables: Vec<Box<str>>,
    /// That of the call, `/package.Service/Method`.
    pub path: Box<str>,
    pub input: usize,
    pub output: u32,
    /// The field that the body is for, or `*`.
    pub body: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawBinding {
    method: Box<str>,
    regex: String,
    variables: Vec<Box<str>>,
    path: Box<str>,
    input: usize,
    output: u32,
    body: Option<Box<str>>,
}

/// By lower-case method, in the order in which they are tried.
#[derive(Debug)]
pub struct Paths(HashMap<Box<[u8]>, Vec<Binding>>);

pub struct Taken<'a> {
    pub binding: &'a Binding,
    /// What the path says of which field.
    pub variables: Vec<(&'a str, Vec<u8>)>,
}

/// Of all regexes of one configuration, in bytes.
const LARGEST: usize = 16 << 20;

impl Paths {
    pub fn parse(raw: Vec<RawBinding>, messages: usize) -> Result<Self, ConfigError> {
        let (mut found, mut size) = (HashMap::<Box<[u8]>, Vec<Binding>>::new(), 0);
        for raw in raw {
            let refuse = |reason: &str| ConfigError::Invalid(format!("{} {}: {reason}", raw.path, raw.regex).into());
            if raw.input >= messages || usize::try_from(raw.output).is_ok_and(|output| output >= messages) {
                return Err(refuse("its messages are not there"));
            }
            let tree = patterns::parse(&format!("(?s-u)^(?:{})$", raw.regex), false);
            let regex = tree.and_then(|tree| patterns::compile_with_groups(&tree)).map_err(|reason| refuse(&reason))?;
            size += regex.memory_usage();
            if size > LARGEST {
                return Err(refuse(&format!("the paths up to here take more than {LARGEST} bytes of memory")));
            }
            let RawBinding { method, variables, path, input, output, body, .. } = raw;
            let binding = Binding { regex, variables, path, input, output, body };
            found.entry(method.as_bytes().into()).or_default().push(binding);
        }
        Ok(Self(found))
    }

    /// `method` is lower-case. Why there is none is for the client.
    pub fn find(&self, method: &[u8], path: &[u8]) -> Result<Taken<'_>, String> {
        let bindings = self.0.get(method).ok_or_else(|| format!("Unknown method {}", quoted(method)))?;
        let taken = bindings.iter().find_map(|binding| {
            let mut groups = binding.regex.create_captures();
            binding.regex.captures(Input::new(path).anchored(Anchored::Yes), &mut groups);
            if groups.get_match().is_none_or(|found| found.end() != path.len()) {
                return None;
            }
            let value = |place: usize| groups.get_group(place).map(|span| path[span.start..span.end].to_vec());
            let variables = (1..).zip(&binding.variables).filter_map(|(place, name)| Some((&**name, value(place)?)));
            Some(Taken { binding, variables: variables.collect() })
        });
        taken.ok_or_else(|| format!("Unknown path {}", quoted(path)))
    }
}

/// As Lua's `%q`.
fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' | '\\' | '\n' => out.extend(['\\', character]),
            '\0'..='\u{1f}' | '\u{7f}' => drop(write!(out, "\\{}", u32::from(character))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
