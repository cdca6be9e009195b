//! Functions in Lua out of a configuration, with the part of Kong's interfaces that the gateway has (`offered`).
//!
//! Each worker has one interpreter for all of them, as Kong has. A function has its own variables, which stay from one
//! request to the next, and sees nobody else's; `kong.ctx` and `ngx.ctx` belong to one request. A run is bounded in steps,
//! in time and in memory; an interpreter in which functions have piled up too much is given up for a new one.

mod budget;
mod natives;
pub mod offered;
mod regexes;
#[cfg(test)]
mod tests;

use budget::Budget;
use mlua::prelude::LuaString;
use mlua::{BString, ChunkMode, Function, Lua, LuaOptions, MultiValue, RegistryKey, StdLib, Table, Value};
pub use natives::arguments;
use offered::{Needs, Phase};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// What one run may take besides what is kept from others, in bytes.
const MEMORY: usize = 16 * 1024 * 1024;
/// Of a worker's interpreter. What functions keep for themselves may be half of it.
const MEMORY_OF_WORKER: usize = 64 * 1024 * 1024;

/// The functions of one phase of one plugin instance.
#[derive(Debug)]
pub struct Functions {
    /// Under which the workers know what is compiled.
    id: u64,
    phase: Phase,
    texts: Arc<[Box<str>]>,
    pub needs: Needs,
}

/// Why a run has ended before its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The host was told of an answer.
    Ended,
    Fault(String),
}

/// Who answers what functions ask of a request.
pub trait Host {
    /// `Err` is an error in the function. What ends it says so by `has_ended`.
    fn ask(&mut self, lua: &Lua, what: &str, given: Given) -> Result<Value, String>;

    fn has_ended(&self) -> bool {
        false
    }

    /// Whose `kong.ctx.plugin` it is.
    fn plugin(&self) -> u64;
}

/// A name with its values.
pub type Named = (String, Vec<Vec<u8>>);

/// What a function hands over with its question.
pub struct Given(MultiValue);

impl Given {
    pub fn text(&mut self) -> Result<Vec<u8>, String> {
        match self.0.pop_front() {
            Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
            Some(Value::Number(found)) => Ok(crate::lua::number(found).to_vec()),
            Some(Value::Integer(found)) => Ok(found.to_string().into_bytes()),
            other => Err(format!("expected a string, got {}", other.map_or("nil", |value| value.type_name()))),
        }
    }

    pub fn optional_text(&mut self) -> Option<Vec<u8>> {
        match self.0.front() {
            Some(Value::Nil) | None => {
                self.0.pop_front();
                None
            }
            Some(_) => self.text().ok(),
        }
    }

    pub fn number(&mut self) -> f64 {
        match self.0.pop_front() {
            Some(Value::Number(found)) => found,
            Some(Value::Integer(found)) => found as f64,
            _ => 0.0,
        }
    }

    /// What counts as true.
    pub fn truth(&mut self) -> bool {
        !matches!(self.0.pop_front(), None | Some(Value::Nil | Value::Boolean(false)))
    }

    pub fn texts(&mut self) -> Result<Vec<Vec<u8>>, String> {
        match self.0.pop_front() {
            Some(Value::Table(list)) => list
                .sequence_values::<LuaString>()
                .map(|text| text.map(|text| text.as_bytes().to_vec()).map_err(|error| message(&error)))
                .collect(),
            _ => Ok(Vec::new()),
        }
    }

    /// Names with the values of each.
    pub fn lists(&mut self) -> Result<Vec<Named>, String> {
        let Some(Value::Table(table)) = self.0.pop_front() else { return Ok(Vec::new()) };
        let read = |pair: mlua::Result<(String, Vec<BString>)>| {
            let (name, values) = pair.map_err(|error| message(&error))?;
            Ok((name, values.into_iter().map(Vec::from).collect()))
        };
        table.pairs::<String, Vec<BString>>().map(read).collect()
    }
}

/// What functions keep for the rest of one request.
#[derive(Debug, Default)]
pub struct Context {
    /// Of which interpreter the tables are.
    generation: u64,
    /// By keys: an interpreter has room for 8 000 values that are held by hand, less than there may be requests.
    tables: Vec<(Owner, RegistryKey)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Shared,
    Ngx,
    Plugin(u64),
}

impl Context {
    fn table(&mut self, worker: &Worker, name: &str, plugin: u64) -> mlua::Result<Value> {
        if self.generation != worker.generation {
            // The old ones died with their interpreter.
            *self = Self { generation: worker.generation, tables: Vec::new() };
        }
        let owner = match name {
            "shared" => Owner::Shared,
            "plugin" => Owner::Plugin(plugin),
            _ => Owner::Ngx,
        };
        if let Some((_, key)) = self.tables.iter().find(|(other, _)| *other == owner) {
            return worker.lua.registry_value(key);
        }
        let table = Value::Table(worker.lua.create_table()?);
        self.tables.push((owner, worker.lua.create_registry_value(&table)?));
        Ok(table)
    }
}

impl Functions {
    /// `Err` says in one line what is wrong.
    pub fn parse(plugin: &str, phase: Phase, texts: &[String]) -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut needs = Needs::default();
        for (place, text) in (1..).zip(texts) {
            let of_place = |problem: String| format!("{}.{place}: {problem}", phase.name());
            let lua = with_worker(|worker| worker.compile(text).map(drop));
            lua.map_err(|problem| of_place(format!("error parsing {plugin}: {problem}")))?;
            needs.body |= offered::check(text, phase).map_err(of_place)?.body;
        }
        let texts: Arc<[Box<str>]> = texts.iter().map(|text| text.as_str().into()).collect();
        Ok(Self { id: NEXT.fetch_add(1, Ordering::Relaxed), phase, texts, needs })
    }

    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Runs one after the other, until one ends the request or fails.
    pub fn run(&self, host: &mut dyn Host, context: &RefCell<Context>) -> Result<(), Stop> {
        self.run_each(host, context, &mut Worker::run_chunk)
    }

    /// What each gives back, as JSON, or why it fails; None for nil.
    pub fn evaluate(
        &self,
        host: &mut dyn Host,
        context: &RefCell<Context>,
    ) -> Result<Vec<Result<Option<String>, String>>, Stop> {
        let mut results = Vec::with_capacity(self.texts.len());
        self.run_each(host, context, &mut |worker, chunk| {
            results.push(worker.result_of(chunk).map_err(|error| message(&error)));
            Ok(())
        })?;
        Ok(results)
    }

    fn run_each(&self, host: &mut dyn Host, context: &RefCell<Context>, act: &mut Act<'_>) -> Result<(), Stop> {
        let outcome = with_worker(|worker| Ok(worker.run(self, host, context, act))).map_err(Stop::Fault)?;
        let outcome = outcome.map_err(|error| (!host.has_ended()).then_some(error));
        match outcome {
            Ok(()) => Ok(()),
            Err(None) => Err(Stop::Ended),
            Err(Some(error)) => {
                if is_out_of_memory(&error) {
                    settle_memory();
                }
                Err(Stop::Fault(message(&error)))
            }
        }
    }
}

struct Worker {
    lua: Lua,
    generation: u64,
    budget: Rc<Budget>,
    native: Table,
    /// Marks tables that are lists.
    lists: Table,
    /// Gives a function variables of its own.
    settle: Function,
    loaded: RefCell<HashMap<u64, Loaded>>,
}

/// The functions of one phase, as this worker has compiled them.
struct Loaded {
    /// Dead when the instance is.
    texts: Weak<[Box<str>]>,
    chunks: Rc<[RefCell<Chunk>]>,
}

/// A chunk that gives back a function at its first run stands aside for it, and its variables stay. One that ends the
/// request at its first run never does.
struct Chunk {
    function: RegistryKey,
    has_run: bool,
}

/// What is done with each chunk of a run.
type Act<'a> = dyn FnMut(&Worker, &RefCell<Chunk>) -> mlua::Result<()> + 'a;

thread_local! {
    static WORKER: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
    static GENERATION: Cell<u64> = const { Cell::new(0) };
}

fn with_worker<T>(use_it: impl FnOnce(&Worker) -> Result<T, String>) -> Result<T, String> {
    let existing = WORKER.with(|worker| worker.borrow().clone());
    let worker = match existing {
        Some(worker) => worker,
        None => {
            let made = Rc::new(Worker::new().map_err(|error| message(&error))?);
            WORKER.with(|worker| *worker.borrow_mut() = Some(Rc::clone(&made)));
            made
        }
    };
    use_it(&worker)
}

/// After a run that found no memory: where functions have kept too much for themselves they begin anew.
fn settle_memory() {
    let keeps_too_much = with_worker(|worker| {
        worker.lua.expire_registry_values();
        let _ = worker.lua.gc_collect();
        Ok(worker.lua.used_memory() > MEMORY_OF_WORKER / 2)
    });
    if keeps_too_much != Ok(false) {
        WORKER.with(|worker| *worker.borrow_mut() = None);
    }
}

impl Worker {
    fn new() -> mlua::Result<Self> {
        let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let budget = Rc::new(Budget::default());
        budget.renew();
        let native = lua.create_table()?;
        let lists = lua.create_table()?;
        natives::register(&lua, &native, &budget, &lists)?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("=prelude").set_mode(ChunkMode::Text);
        let settle = prelude.call::<Function>(&native)?;
        budget::watch(&lua, &budget)?;
        let generation = GENERATION.with(|generation| generation.replace(generation.get() + 1)) + 1;
        Ok(Self { lua, generation, budget, native, lists, settle, loaded: RefCell::default() })
    }

    fn compile(&self, text: &str) -> Result<Function, String> {
        self.lua.set_memory_limit(self.limit()).map_err(|error| message(&error))?;
        // As Kong names it, which shows in messages.
        let name = text.replace('\0', " ");
        let chunk = self.lua.load(text).set_name(name).set_mode(ChunkMode::Text);
        chunk.into_function().map_err(|error| message(&error))
    }

    fn limit(&self) -> usize {
        (self.lua.used_memory() + MEMORY).min(MEMORY_OF_WORKER)
    }

    fn chunks(&self, functions: &Functions) -> mlua::Result<Rc<[RefCell<Chunk>]>> {
        if let Some(loaded) = self.loaded.borrow().get(&functions.id) {
            return Ok(Rc::clone(&loaded.chunks));
        }
        let compiled = functions.texts.iter().map(|text| {
            let function = self.compile(text).map_err(mlua::Error::runtime)?;
            let settled: Function = self.settle.call(function)?;
            Ok(RefCell::new(Chunk { function: self.lua.create_registry_value(settled)?, has_run: false }))
        });
        let chunks: Rc<[RefCell<Chunk>]> = compiled.collect::<mlua::Result<_>>()?;
        let mut loaded = self.loaded.borrow_mut();
        loaded.retain(|_, one| one.texts.strong_count() > 0);
        let texts = Arc::downgrade(&functions.texts);
        loaded.insert(functions.id, Loaded { texts, chunks: Rc::clone(&chunks) });
        Ok(chunks)
    }

    fn run(
        &self,
        functions: &Functions,
        host: &mut dyn Host,
        context: &RefCell<Context>,
        act: &mut Act<'_>,
    ) -> mlua::Result<()> {
        self.budget.renew();
        // What requests that have ended kept.
        self.lua.expire_registry_values();
        let chunks = self.chunks(functions)?;
        self.lua.set_memory_limit(self.limit())?;
        self.lua.scope(|scope| {
            let ask = scope.create_function_mut(|lua, (what, mut given): (LuaString, MultiValue)| {
                let what = what.to_str()?;
                if &*what == "ctx" {
                    let name = match given.pop_front() {
                        Some(Value::String(name)) => name.to_string_lossy(),
                        _ => String::new(),
                    };
                    return context.borrow_mut().table(self, &name, host.plugin());
                }
                let answer = match &*what {
                    "phase" => return Ok(Value::String(lua.create_string(functions.phase.name())?)),
                    other => host.ask(lua, other, Given(given)),
                };
                if host.has_ended() {
                    self.budget.end();
                }
                answer.map_err(mlua::Error::runtime)
            })?;
            self.native.raw_set("ask", ask)?;
            let outcome = chunks.iter().try_for_each(|chunk| act(self, chunk));
            // Where the function catches that, another error ends it.
            if self.budget.is_spent() { Err(mlua::Error::runtime(budget::TOO_LONG)) } else { outcome }
        })
    }

    fn result_of(&self, chunk: &RefCell<Chunk>) -> mlua::Result<Option<String>> {
        let function: Function = self.lua.registry_value(&chunk.borrow().function)?;
        match function.call::<Value>(())? {
            Value::Nil => Ok(None),
            value => super::json::encode(&value, &self.lists).map(Some).map_err(mlua::Error::runtime),
        }
    }

    fn run_chunk(&self, chunk: &RefCell<Chunk>) -> mlua::Result<()> {
        let function: Function = self.lua.registry_value(&chunk.borrow().function)?;
        if std::mem::replace(&mut chunk.borrow_mut().has_run, true) {
            return function.call::<()>(());
        }
        let Value::Function(inner) = function.call::<Value>(())? else { return Ok(()) };
        let key = self.lua.create_registry_value(&inner)?;
        chunk.borrow_mut().function = key;
        inner.call::<()>(())
    }
}

fn is_out_of_memory(error: &mlua::Error) -> bool {
    match error {
        mlua::Error::MemoryError(_) => true,
        mlua::Error::CallbackError { cause, .. } => is_out_of_memory(cause),
        mlua::Error::RuntimeError(message) => message.contains("not enough memory"),
        _ => false,
    }
}

/// The first line of an error.
fn message(error: &mlua::Error) -> String {
    let whole = match error {
        mlua::Error::SyntaxError { message, .. } | mlua::Error::RuntimeError(message) => message.clone(),
        mlua::Error::MemoryError(_) => "it takes too much memory".to_owned(),
        mlua::Error::CallbackError { cause, .. } => message(cause),
        other => other.to_string(),
    };
    whole.lines().next().unwrap_or_default().to_owned()
}
