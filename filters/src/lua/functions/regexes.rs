//! `ngx.re`: regexes in Rust's syntax, whose time is linear; each is compiled once.

use crate::router::patterns;
use mlua::{Lua, Table, Value};
use regex_automata::meta::Regex;
use regex_automata::util::primitives::PatternID;
use regex_automata::{Anchored, Input};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// So many are kept; then all are forgotten.
const MOST: usize = 64;

#[derive(Default)]
pub struct Regexes(RefCell<HashMap<Vec<u8>, Rc<Regex>>>);

impl Regexes {
    /// The first match at or behind `init`: a table with `from`, `to` and `captures`; or nothing, and why.
    pub fn find(
        &self,
        lua: &Lua,
        subject: &[u8],
        regex: &[u8],
        options: &[u8],
        init: usize,
    ) -> Result<(Option<Table>, Option<String>), String> {
        let regex = match self.compiled(regex, options) {
            Ok(regex) => regex,
            Err(problem) => return Ok((None, Some(problem))),
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

    /// Of the options only those count that say what matches: `o` and `j` are about nginx's own ways.
    fn compiled(&self, regex: &[u8], options: &[u8]) -> Result<Rc<Regex>, String> {
        let key = [options, b"/", regex].concat();
        if let Some(found) = self.0.borrow().get(&key) {
            return Ok(Rc::clone(found));
        }
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
        let compiled = Rc::new(patterns::compile_with_groups(&tree)?);
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, Rc::clone(&compiled));
        Ok(compiled)
    }
}
