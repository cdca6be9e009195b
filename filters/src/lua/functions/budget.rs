//! What one run of a function may take.

use mlua::{Lua, VmState};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Of Lua's virtual machine, and of what natives charge for.
const STEPS: u32 = 5_000_000;
/// Of the worker's processor, from when the clock on the wall has gone on for as long: asking for it is dear, and where
/// others have the processor meanwhile the function cannot help it. The steps should end first.
const TIME: Duration = Duration::from_millis(250);
/// After so many steps the clock is looked at.
const EVERY: u32 = 100;

pub const TOO_LONG: &str = "it takes too long";

#[derive(Debug, Default)]
pub struct Budget {
    steps: Cell<u32>,
    started: Cell<Option<Instant>>,
    /// The worker's processor time when the run was first found late.
    late_since: Cell<Option<Duration>>,
    is_spent: Cell<bool>,
    /// The function has answered the request, and nothing of it may go on.
    is_ended: Cell<bool>,
}

impl Budget {
    pub fn renew(&self) {
        self.steps.set(STEPS);
        self.started.set(Some(Instant::now()));
        self.late_since.set(None);
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
        if left == 0 || self.is_spent.get() || (steps >= EVERY && self.is_late()) {
            self.is_spent.set(true);
            return Err(TOO_LONG.to_owned());
        }
        Ok(())
    }

    fn is_late(&self) -> bool {
        if self.started.get().is_none_or(|started| started.elapsed() <= TIME) {
            return false;
        }
        let now = processor_time();
        let since = self.late_since.get().unwrap_or(now);
        self.late_since.set(Some(since));
        now.saturating_sub(since) > TIME
    }
}

fn processor_time() -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(tv_sec.try_into().unwrap_or_default(), tv_nsec.try_into().unwrap_or_default())
}

/// Has Lua count its steps.
pub fn watch(lua: &Lua, budget: &Rc<Budget>) -> mlua::Result<()> {
    let budget = Rc::clone(budget);
    lua.set_global_hook(mlua::HookTriggers::new().every_nth_instruction(EVERY), move |_, _| {
        budget.charge(EVERY).map_err(mlua::Error::runtime)?;
        Ok(VmState::Continue)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_the_processor_is_not_late() {
        let budget = Budget::default();
        budget.renew();
        budget.started.set(Instant::now().checked_sub(Duration::from_secs(60)));
        assert_eq!(budget.charge(EVERY), Ok(()));
        std::thread::sleep(TIME);
        assert_eq!(budget.charge(EVERY), Ok(()));
        while budget.charge(EVERY).is_ok() {
            // Gives the steps back: time alone ends it.
            budget.steps.set(STEPS);
        }
        assert!(processor_time() > TIME && budget.is_spent());
    }
}
