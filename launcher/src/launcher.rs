//! Carries out what `life` decides.

use std::io;
use std::path::Path;
use std::process::id;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::admin::{Admin, Traffic};
use crate::app_sockets::{Sockets, sockets_of_others};
use crate::arguments::Plan;
use crate::envoy::{Envoy, name, was_told};
use crate::folders::Folders;
use crate::held_ports::HeldPorts;
use crate::kernel_sockets::PROC;
use crate::life::{Life, Pod};
use crate::say;
use crate::signals::Signals;
use crate::watched_files::WatchedFiles;

/// Envoy's exit code as a shell counts it; 0 when it ended because it was asked to.
///
/// Standard input is the locked work folder: the lock ends with this process, since Envoy does not inherit it.
pub fn run(mut plan: Plan) -> Result<u8, String> {
    let folders = Folders::of(&plan);
    let signals = Signals::take_over().map_err(|error| format!("cannot take signals over: {error}"))?;
    let files = WatchedFiles::new(std::mem::take(&mut plan.files));
    let envoy = started(&plan)?;
    let mut launcher = Launcher {
        life: Life::new(plan.end),
        ports: HeldPorts::new(),
        admin: Admin { port: plan.end.admin_port },
        awaits_ready: folders.has_readers(),
        began: Instant::now(),
        plan,
        folders,
        files,
        envoy,
    };
    loop {
        let pause = launcher.life.pause(launcher.awaits_ready, launcher.ports.are_held());
        let come = signals.next(pause).map_err(|error| format!("cannot wait for signals: {error}"))?;
        if let Some(code) = launcher.look(&come)? {
            return Ok(code);
        }
    }
}

struct Launcher {
    plan: Plan,
    life: Life,
    folders: Folders,
    files: WatchedFiles,
    ports: HeldPorts,
    admin: Admin,
    envoy: Envoy,
    awaits_ready: bool,
    began: Instant,
}

impl Launcher {
    /// The exit code if nothing is left to be done.
    fn look(&mut self, come: &[Signal]) -> Result<Option<u8>, String> {
        for signal in come {
            if let Some(forwarded) = self.life.take(*signal, self.now()) {
                self.envoy.send(forwarded);
            }
        }
        self.files.refresh();
        let now = self.now();
        if let Some(code) = self.envoy.poll().map_err(lost)? {
            if !self.life.may_restart(now) {
                return Ok(Some(code));
            }
            self.start_again(code, now)?;
        }
        if self.envoy.is_stopped() {
            say("Envoy was stopped and goes on");
            self.envoy.send(Signal::SIGCONT);
        }
        self.care_for_hooks_and_ports(now);
        if self.life.is_over(&Here { admin: self.admin, plan: &self.plan, envoy: self.envoy.pid() }, now) {
            return self.end().map(Some);
        }
        Ok(None)
    }

    fn start_again(&mut self, code: u8, now: Duration) -> Result<(), String> {
        say(&format!("Envoy ended with exit code {code} and is started again"));
        self.ports.hold(now);
        self.envoy = started(&self.plan)?;
        self.awaits_ready = self.folders.has_readers();
        Ok(())
    }

    fn care_for_hooks_and_ports(&mut self, now: Duration) {
        if self.awaits_ready && self.admin.is_ready() {
            self.folders.tell_ready();
            self.awaits_ready = false;
        }
        self.ports.release(self.envoy.pid(), now);
        if !self.awaits_ready && !self.life.is_ending() {
            self.ports.note(self.envoy.pid());
        }
    }

    fn end(&mut self) -> Result<u8, String> {
        if self.envoy.poll().map_err(lost)?.is_none() {
            self.envoy.send(Signal::SIGTERM);
        }
        let code = self.envoy.wait().map_err(lost)?;
        Ok(if was_told(code) { 0 } else { code })
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

struct Here<'a> {
    admin: Admin,
    plan: &'a Plan,
    envoy: u32,
}

impl Pod for Here<'_> {
    fn awaits_its_first(&self) -> bool {
        self.admin.awaits_its_first()
    }

    fn sockets_of_others(&self) -> io::Result<Sockets> {
        sockets_of_others(&[id(), self.envoy], Path::new(PROC))
    }

    fn traffic(&self) -> io::Result<Traffic> {
        self.admin.traffic()
    }

    fn turn_peers_away(&self) {
        self.admin.turn_peers_away(self.plan.end.stands_alone);
    }
}

fn started(plan: &Plan) -> Result<Envoy, String> {
    Envoy::start(plan).map_err(|error| format!("cannot start {}: {error}", name(&plan.program)))
}

fn lost(error: io::Error) -> String {
    format!("cannot tell whether Envoy still runs: {error}")
}
