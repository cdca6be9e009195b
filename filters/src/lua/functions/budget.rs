//! What one run of a function may take.

use mlua::{Lua, VmState};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Of Lua's virtual machine, and of what natives charge for.
const STEPS: u32 = 5_000_000;
/// Generous, since a worker may stand still meanwhile: the steps should end first.
const TIME: Duration = Duration::from_millis(500);
/// After so many steps the clock is looked at.
const EVERY: u32 = 100;

pub const TOO_LONG: &str = "it takes too long";

#[derive(Debug, Default)]
pub struct Budget {
    steps: Cell<u32>,
    started: Cell<Option<Instant>>,
    is_spent: Cell<bool>,
    /// The function has answered the request, and nothing of it may go on.
    is_ended: Cell<bool>,
}

impl Budget {
    pub fn renew(&self) {
        self.steps.set(STEPS);
        self.started.set(Some(Instant::now()));
        self.is_spent.set(false);
        self.is_ended.set(false);
    }

    pub fn end(&self) {
        self.is_ended.set(true);
    }

    pub fn is_spent(&self) -> bool {
        self.is_spent.get()
    }

    /// Nothing of the function may go on, whatever it catches.
    pub fn is_over(&self) -> bool {
        self.is_spent.get() || self.is_ended.get()
    }

    pub fn charge(&self, steps: u32) -> Result<(), String> {
        let left = self.steps.get().saturating_sub(steps);
        self.steps.set(left);
        let is_late = || self.started.get().is_some_and(|started| started.elapsed() > TIME);
        if left == 0 || self.is_spent.get() || (steps >= EVERY && is_late()) {
            self.is_spent.set(true);
            return Err(TOO_LONG.to_owned());
        }
        Ok(())
    }
}

/// Has Lua count its steps.
pub fn watch(lua: &Lua, budget: &Rc<Budget>) -> mlua::Result<()> {
    let budget = Rc::clone(budget);
    lua.set_global_hook(mlua::HookTriggers::new().every_nth_instruction(EVERY), move |_, _| {
        budget.charge(EVERY).map_err(mlua::Error::runtime)?;
        Ok(VmState::Continue)
    })
}
