//! `ngx.re`: regexes in Rust's syntax, whose time is linear; each is compiled once.

use super::budget::Budget;
use crate::router::patterns;
use mlua::{Lua, Table, Value};
use regex_automata::meta::Regex;
use regex_automata::util::primitives::PatternID;
use regex_automata::{Anchored, Input};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Of all that are kept, in bytes; then all are forgotten.
const MOST: usize = 16 << 20;
/// Of Lua's steps, for one that is compiled.
const COMPILING: u32 = 10_000;

#[derive(Default)]
pub struct Regexes(RefCell<Kept>);

#[derive(Default)]
struct Kept {
    compiled: HashMap<Vec<u8>, Rc<Regex>>,
    size: usize,
}

impl Regexes {
    /// The first match at or behind `init`: a table with `from`, `to` and `captures`; or nothing, and why.
    pub fn find(
        &self,
        (lua, budget): (&Lua, &Budget),
        subject: &[u8],
        (regex, options): (&[u8], &[u8]),
        init: usize,
    ) -> Result<(Option<Table>, Option<String>), String> {
        let key = [options, b"/", regex].concat();
        let kept = self.0.borrow().compiled.get(&key).cloned();
        let regex = match kept {
            Some(regex) => regex,
            None => {
                budget.charge(COMPILING)?;
                match compiled(regex, options) {
                    Ok(regex) => self.keep(key, regex),
                    Err(problem) => return Ok((None, Some(problem))),
                }
            }
        };
        if init > subject.len() {
            return Ok((None, None));
        }
        let mut captures = regex.create_captures();
        let anchored = if options.contains(&b'a') { Anchored::Yes } else { Anchored::No };
        regex.captures(Input::new(subject).range(init..).anchored(anchored), &mut captures);
        let Some(whole) = captures.get_match() else { return Ok((None, None)) };
        let found = || -> mlua::Result<Table> {
            let found = lua.create_table()?;
            found.raw_set("from", whole.start() + 1)?;
            found.raw_set("to", whole.end())?;
            let texts = lua.create_table()?;
            for (number, name) in regex.group_info().pattern_names(PatternID::ZERO).enumerate() {
                let text = match captures.get_group(number) {
                    Some(span) => Value::String(lua.create_string(&subject[span.start..span.end])?),
                    None => Value::Boolean(false),
                };
                if let Some(name) = name {
                    texts.raw_set(name, &text)?;
                }
                texts.raw_set(number, text)?;
            }
            found.raw_set("captures", texts)?;
            Ok(found)
        };
        found().map(|found| (Some(found), None)).map_err(|error| error.to_string())
    }

    fn keep(&self, key: Vec<u8>, regex: Regex) -> Rc<Regex> {
        let mut kept = self.0.borrow_mut();
        let size = key.len() + regex.memory_usage();
        if kept.size + size > MOST {
            *kept = Kept::default();
        }
        kept.size += size;
        let regex = Rc::new(regex);
        kept.compiled.insert(key, Rc::clone(&regex));
        regex
    }
}

/// Of the options only those count that say what matches: `o` and `j` are about nginx's own ways.
fn compiled(regex: &[u8], options: &[u8]) -> Result<Regex, String> {
    let mut flags = String::new();
    for option in options {
        match option {
            b'i' | b'm' | b's' | b'x' => flags.push(char::from(*option)),
            b'a' | b'o' | b'j' | b'u' | b'U' | b'd' => (),
            other => return Err(format!("unknown flag \"{}\"", char::from(*other))),
        }
    }
    let regex = String::from_utf8_lossy(regex);
    let flags = if flags.is_empty() { flags } else { format!("(?{flags})") };
    // Letters and digits are ASCII, as for PCRE.
    let unicode = if options.iter().any(|option| matches!(option, b'u' | b'U')) { "" } else { "(?-u)" };
    let tree = patterns::parse(&format!("{unicode}{flags}{regex}"), false)?;
    patterns::compile_with_groups(&tree)
}
