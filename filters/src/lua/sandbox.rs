//! Lua expressions out of a configuration, run with what Kong's sandbox gives them and nothing else.
//!
//! Each worker has an interpreter of its own. It is bounded in memory, and a text that could run for ever in steps; no
//! expression sees what another one leaves behind.

use super::names::names;
use super::number;
use mlua::{ChunkMode, Function, HookTriggers, Lua, LuaOptions, MultiValue, RegistryKey, StdLib, Table, Value};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

const GLOBALS: [&str; 5] = ["headers", "query_params", "shared", "type", "uri_captures"];
/// Of texts. What matches patterns is left out: it can take time without bounds, inside of which nothing stops it.
const METHODS: [&str; 8] = ["byte", "format", "len", "lower", "rep", "reverse", "sub", "upper"];
/// Of a worker's interpreter, in bytes.
const MEMORY: usize = 16 * 1024 * 1024;
/// Of Lua's virtual machine, for one evaluation.
const STEPS: u32 = 100_000;
/// A worker forgets what it has compiled when that takes more, in bytes.
const COMPILED: usize = 8 * 1024 * 1024;
/// What a compiled text takes besides its length.
const OF_FUNCTION: usize = 1024;

/// What an expression finds under one of the sandbox's names.
pub type Entries = Vec<(Key, Entry)>;

#[derive(Debug)]
pub enum Key {
    Name(Vec<u8>),
    Place(usize),
}

#[derive(Debug)]
pub enum Entry {
    Text(Vec<u8>),
    Several(Vec<Entry>),
    True,
}

/// What expressions can know of a request; asked only for what they use.
pub trait Facts {
    fn headers(&self) -> Entries;
    fn query_params(&self) -> Entries;
    fn uri_captures(&self) -> Entries;
}

/// Expressions that are evaluated together.
#[derive(Debug)]
pub struct Expressions {
    /// Under which the workers know the compiled text.
    id: u64,
    text: Box<str>,
    globals: Box<[&'static str]>,
    may_loop: bool,
}

impl Expressions {
    /// `Err` says in one line what is wrong.
    pub fn parse(expressions: &[&str]) -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut used = Vec::new();
        let mut may_loop = false;
        for expression in expressions {
            let names = names(expression, &GLOBALS, &METHODS)?;
            used.extend(GLOBALS.into_iter().filter(|global| names.globals.contains(global)));
            may_loop |= names.may_loop;
        }
        used.sort_unstable();
        used.dedup();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let results: Vec<_> = expressions.iter().map(|expression| format!("({expression}) or ''")).collect();
        let text = format!("return {}", results.join(", ")).into_boxed_str();
        with_worker(|worker| worker.compile(&text).map(drop))?;
        Ok(Self { id, text, globals: used.into(), may_loop })
    }

    /// The results as texts; `nil` and `false` are empty. `Err` says why there are none.
    pub fn evaluate(&self, surroundings: &Surroundings<'_>) -> Result<Vec<Vec<u8>>, String> {
        with_worker(|worker| {
            let run = || -> mlua::Result<Vec<Vec<u8>>> {
                let function = worker.compiled(self)?;
                let environment = surroundings.environment(worker, &self.globals)?;
                function.set_environment(environment.clone())?;
                if self.may_loop {
                    worker.lua.set_hook(HookTriggers::new().every_nth_instruction(STEPS), |_, _| {
                        Err(mlua::Error::runtime("it takes too long"))
                    })?;
                }
                let results = function.call::<MultiValue>(());
                worker.lua.remove_hook();
                results?.iter().map(text).collect()
            };
            run().map_err(|error| reason(&error))
        })
    }
}

/// The names that the expressions for one request see, made when they are first used.
pub struct Surroundings<'a> {
    facts: &'a dyn Facts,
    environment: OnceCell<Table>,
}

impl<'a> Surroundings<'a> {
    pub fn new(facts: &'a dyn Facts) -> Self {
        Self { facts, environment: OnceCell::new() }
    }

    fn environment(&self, worker: &Worker, globals: &[&str]) -> mlua::Result<&Table> {
        let environment = match self.environment.get() {
            Some(made) => made,
            None => {
                let made = worker.lua.create_table()?;
                self.environment.get_or_init(|| made)
            }
        };
        for global in globals {
            if !environment.contains_key(*global)? {
                environment.set(*global, self.value(worker, global)?)?;
            }
        }
        Ok(environment)
    }

    fn value(&self, worker: &Worker, global: &str) -> mlua::Result<Value> {
        let entries = match global {
            "headers" => self.facts.headers(),
            "query_params" => self.facts.query_params(),
            "uri_captures" => self.facts.uri_captures(),
            "type" => return Ok(Value::Function(worker.type_of.clone())),
            // Nothing that runs before has anything to share.
            _ => Entries::new(),
        };
        let table = worker.table(entries)?;
        if global == "headers" {
            table.set_metatable(Some(worker.any_spelling.clone()))?;
        }
        Ok(Value::Table(table))
    }
}

struct Worker {
    lua: Lua,
    compiled: RefCell<Compiled>,
    type_of: Function,
    /// Finds headers in whatever case, and with underscores for dashes.
    any_spelling: Table,
}

#[derive(Default)]
struct Compiled {
    /// By keys: an interpreter has room for 8 000 values that are held by hand.
    functions: HashMap<u64, RegistryKey>,
    size: usize,
}

fn with_worker<T>(use_it: impl FnOnce(&Worker) -> Result<T, String>) -> Result<T, String> {
    thread_local! {
        static WORKER: OnceCell<Result<Worker, String>> = const { OnceCell::new() };
    }
    WORKER.with(|worker| match worker.get_or_init(|| Worker::new().map_err(|error| reason(&error))) {
        Ok(worker) => use_it(worker),
        Err(problem) => Err(problem.clone()),
    })
}

impl Worker {
    fn new() -> mlua::Result<Self> {
        let lua = Lua::new_with(StdLib::STRING, LuaOptions::default())?;
        let globals = lua.globals();
        let type_of = globals.get("type")?;
        let string: Table = globals.get("string")?;
        let names: Vec<String> =
            string.pairs::<String, Value>().map(|pair| Ok(pair?.0)).collect::<mlua::Result<_>>()?;
        for name in names.iter().filter(|name| !METHODS.contains(&name.as_str())) {
            string.raw_remove(name.as_str())?;
        }
        let any_spelling = lua.create_table()?;
        let find = lua.create_function(|_, (headers, name): (Table, mlua::prelude::LuaString)| {
            let name = name.to_string_lossy().to_ascii_lowercase().replace('_', "-");
            headers.raw_get::<Value>(name)
        })?;
        any_spelling.set("__index", find)?;
        lua.set_memory_limit(MEMORY)?;
        Ok(Self { lua, compiled: RefCell::default(), type_of, any_spelling })
    }

    fn compile(&self, text: &str) -> Result<Function, String> {
        let chunk = self.lua.load(text).set_name("=template").set_mode(ChunkMode::Text);
        chunk.into_function().map_err(|error| reason(&error))
    }

    fn compiled(&self, expressions: &Expressions) -> mlua::Result<Function> {
        if let Some(key) = self.compiled.borrow().functions.get(&expressions.id) {
            return self.lua.registry_value(key);
        }
        let function = self.compile(&expressions.text).map_err(mlua::Error::runtime)?;
        let mut compiled = self.compiled.borrow_mut();
        if compiled.size > COMPILED {
            *compiled = Compiled::default();
            self.lua.expire_registry_values();
        }
        compiled.size += expressions.text.len() + OF_FUNCTION;
        compiled.functions.insert(expressions.id, self.lua.create_registry_value(&function)?);
        Ok(function)
    }

    fn table(&self, entries: Entries) -> mlua::Result<Table> {
        let table = self.lua.create_table()?;
        for (key, entry) in entries {
            let value = self.entry(&entry)?;
            match key {
                Key::Name(name) => table.raw_set(self.lua.create_string(name)?, value)?,
                Key::Place(place) => table.raw_set(place, value)?,
            }
        }
        Ok(table)
    }

    fn entry(&self, entry: &Entry) -> mlua::Result<Value> {
        Ok(match entry {
            Entry::Text(text) => Value::String(self.lua.create_string(text)?),
            Entry::True => Value::Boolean(true),
            Entry::Several(entries) => {
                let values = self.lua.create_table_with_capacity(entries.len(), 0)?;
                entries.iter().try_for_each(|entry| values.raw_push(self.entry(entry)?))?;
                Value::Table(values)
            }
        })
    }
}

/// As Lua's `tostring`; of a list, for which that gives a place in memory, its members.
fn text(value: &Value) -> mlua::Result<Vec<u8>> {
    Ok(match value {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Boolean(truth) => truth.to_string().into_bytes(),
        Value::Integer(whole) => number(*whole as f64).to_vec(),
        Value::Number(found) if found.is_finite() => number(*found).to_vec(),
        Value::Number(found) if found.is_nan() => b"nan".to_vec(),
        Value::Number(found) => (if *found > 0.0 { &b"inf"[..] } else { b"-inf" }).to_vec(),
        Value::Table(list) => {
            let members = list.sequence_values::<Value>().map(|member| match member? {
                Value::Table(_) => Err(mlua::Error::runtime("its value is a list of lists")),
                member => text(&member),
            });
            members.collect::<mlua::Result<Vec<_>>>()?.join(&b", "[..])
        }
        other => return Err(mlua::Error::runtime(format!("its value is a {}", other.type_name()))),
    })
}

/// The first line of an error, without where in our own text it arose.
fn reason(error: &mlua::Error) -> String {
    let message = match error {
        mlua::Error::SyntaxError { message, .. } | mlua::Error::RuntimeError(message) => message.clone(),
        mlua::Error::MemoryError(_) => "it takes too much memory".to_owned(),
        mlua::Error::CallbackError { cause, .. } => reason(cause),
        other => other.to_string(),
    };
    let line = message.lines().next().unwrap_or_default();
    line.strip_prefix("template:1: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl Facts for Known {
        fn headers(&self) -> Entries {
            let several = Entry::Several(vec![Entry::Text(b"1".to_vec()), Entry::Text(b"2".to_vec())]);
            vec![(Key::Name(b"x-in".to_vec()), Entry::Text(b"in".to_vec())), (Key::Name(b"x-two".to_vec()), several)]
        }

        fn query_params(&self) -> Entries {
            vec![(Key::Name(b"q".to_vec()), Entry::Text(b"hello".to_vec())), (Key::Name(b"flag".to_vec()), Entry::True)]
        }

        fn uri_captures(&self) -> Entries {
            vec![(Key::Place(1), Entry::Text(b"42".to_vec())), (Key::Name(b"id".to_vec()), Entry::Text(b"42".to_vec()))]
        }
    }

    fn evaluated(expression: &str) -> Result<String, String> {
        let results = Expressions::parse(&[expression])?.evaluate(&Surroundings::new(&Known))?;
        Ok(String::from_utf8(results.concat()).unwrap())
    }

    #[test]
    fn values() {
        for (expression, expected) in [
            ("headers.x_in", "in"),
            ("headers['X-In']", "in"),
            ("headers.missing", ""),
            ("headers.x_two", "1, 2"),
            ("headers.x_two[2]", "2"),
            ("query_params.q or 'none'", "hello"),
            ("query_params.nothing or 'none'", "none"),
            ("query_params.flag", "true"),
            ("query_params.nothing == nil", "true"),
            ("uri_captures[1] .. '/' .. uri_captures.id", "42/42"),
            ("shared.anything", ""),
            ("type(headers.x_two)", "table"),
            ("headers.x_in:upper():sub(1, 1)", "I"),
            ("#query_params.q * 2.5", "12.5"),
            ("0/0 ~= 0/0 and 1/0", "inf"),
            ("'$(kept)'", "$(kept)"),
            ("(function() local v = headers.x_in if v then return 'Basic ' .. v end end)()", "Basic in"),
            ("false", ""),
        ] {
            assert_eq!(evaluated(expression).as_deref(), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn what_goes_wrong_is_said() {
        for (expression, problem) in [
            ("headers.", "'<name>' expected near ')'"),
            ("headers.missing.x", "attempt to index field 'missing' (a nil value)"),
            ("query_params.nothing:upper()", "attempt to index field 'nothing' (a nil value)"),
            ("os.exit()", "the name 'os' is not available here, use headers, query_params, shared, type, uri_captures"),
            ("('x').dump('y')", "attempt to call field 'dump' (a nil value)"),
            ("(function() while true do end end)()", "it takes too long"),
            ("(function() local function f() return f() end return f() end)()", "it takes too long"),
            ("(function() local function f() return 1 + f() end return f() end)()", "stack overflow"),
            ("('x'):rep(100000000)", "it takes too much memory"),
            ("(function() end)", "its value is a function"),
        ] {
            let found = evaluated(expression).unwrap_err();
            assert!(found.starts_with(problem), "{expression}: {found}");
        }
        // The worker is as good as before.
        assert_eq!(evaluated("headers.x_in").as_deref(), Ok("in"));
    }

    #[test]
    fn no_expression_sees_what_another_one_did() {
        let spoil = "(function() headers.x_in = 'spoilt' shared.x = 1 return 'done' end)()";
        assert_eq!(evaluated(spoil).as_deref(), Ok("done"));
        assert_eq!(evaluated("headers.x_in .. (shared.x or '')").as_deref(), Ok("in"));
    }

    #[test]
    fn there_may_be_many_expressions_and_values() {
        struct Many;
        impl Facts for Many {
            fn headers(&self) -> Entries {
                let values = (0..20_000).map(|_| Entry::Text(b"v".to_vec())).collect();
                vec![(Key::Name(b"many".to_vec()), Entry::Several(values))]
            }
            fn query_params(&self) -> Entries {
                Entries::new()
            }
            fn uri_captures(&self) -> Entries {
                Entries::new()
            }
        }
        let all: Vec<_> = (0..20_000).map(|_| Expressions::parse(&["headers.x_in"]).unwrap()).collect();
        for expressions in &all {
            assert_eq!(expressions.evaluate(&Surroundings::new(&Known)).unwrap(), [b"in"]);
        }
        let counted = Expressions::parse(&["#headers.many"]).unwrap();
        assert_eq!(counted.evaluate(&Surroundings::new(&Many)).unwrap(), [b"20000"]);
    }

    #[test]
    fn what_was_compiled_does_not_pile_up() {
        let long = format!("'{}' .. headers.x_in", "x".repeat(200_000));
        for _ in 0..100 {
            assert!(evaluated(&long).is_ok());
        }
    }
}
