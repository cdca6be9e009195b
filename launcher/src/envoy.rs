//! One Envoy as a child process.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio, id};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::arguments::Plan;

pub struct Envoy {
    process: Child,
}

impl Envoy {
    /// Of the one thread of this process: the kernel ends Envoy with it.
    pub fn start(plan: &Plan) -> io::Result<Envoy> {
        let mut command = Command::new("/proc/self/exe");
        command.arg("child-of").arg(id().to_string());
        for one in &plan.environment {
            command.arg("--env").arg(one);
        }
        command.arg("--").args(&plan.program).stdin(Stdio::null());
        if plan.logs_to_stdout {
            command.stderr(io::stdout());
        }
        // A group of its own: a signal to ours (Ctrl-C, a runtime's stop) must not end Envoy before it has drained.
        Ok(Envoy { process: command.process_group(0).spawn()? })
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The exit code, or `None` while it runs.
    pub fn poll(&mut self) -> io::Result<Option<u8>> {
        Ok(self.process.try_wait()?.map(code))
    }

    pub fn wait(&mut self) -> io::Result<u8> {
        self.process.wait().map(code)
    }

    pub fn send(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.pid()) {
            // It may have ended; then its end is seen elsewhere.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

/// As a shell counts it: 128 + signal.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// Whether Envoy ended because it was told to, before it had a handler.
pub fn was_told(code: u8) -> bool {
    code == 128 + Signal::SIGTERM as u8
}

/// For messages.
pub fn name(program: &[OsString]) -> String {
    program.first().map(|one| one.display().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        for (raw, expected) in [(0, 0), (1 << 8, 1), (9, 137), (15, 143)] {
            assert_eq!(code(ExitStatus::from_raw(raw)), expected);
        }
        assert!(was_told(143));
        assert!(!was_told(137));
    }
}
