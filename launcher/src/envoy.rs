//! One Envoy as a child process.

use std::ffi::OsString;
use std::fs;
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

    /// By a signal (SIGSTOP, a terminal's), not by a debugger.
    pub fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
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
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    #[test]
    fn what_a_signal_stopped_is_known_and_goes_on() {
        let mut envoy = Envoy { process: Command::new("sleep").arg("60").spawn().unwrap() };
        let awaits = |wanted: bool| {
            let deadline = Instant::now() + Duration::from_secs(30);
            while envoy.is_stopped() != wanted && Instant::now() < deadline {
                sleep(Duration::from_millis(1));
            }
            envoy.is_stopped()
        };
        assert!(!envoy.is_stopped());
        envoy.send(Signal::SIGSTOP);
        assert!(awaits(true));
        envoy.send(Signal::SIGCONT);
        assert!(!awaits(false));
        envoy.send(Signal::SIGKILL);
        assert_eq!(envoy.wait().unwrap(), 137);
        assert!(!envoy.is_stopped());
    }

    #[test]
    fn codes_are_those_of_a_shell() {
        for (raw, expected) in [(0, 0), (1 << 8, 1), (9, 137), (15, 143)] {
            assert_eq!(code(ExitStatus::from_raw(raw)), expected);
        }
        assert!(was_told(143));
        assert!(!was_told(137));
    }
}
