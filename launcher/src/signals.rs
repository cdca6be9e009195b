//! Signals as events to be waited for: none is lost between two looks, nor before the first.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

const TAKEN: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGHUP,
    // Envoy's end.
    Signal::SIGCHLD,
];

pub struct Signals {
    pending: SignalFd,
}

impl Signals {
    pub fn take_over() -> nix::Result<Signals> {
        let taken = SigSet::from_iter(TAKEN);
        taken.thread_block()?;
        Ok(Signals { pending: SignalFd::with_flags(&taken, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)? })
    }

    /// Those that have come, after the first of them or when the time is over.
    pub fn next(&self, within: Duration) -> nix::Result<Vec<Signal>> {
        let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.pending.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(_) | Err(Errno::EINTR) => self.come(),
            Err(error) => Err(error),
        }
    }

    fn come(&self) -> nix::Result<Vec<Signal>> {
        let mut found = Vec::new();
        while let Some(one) = self.pending.read_signal()? {
            found.extend(i32::try_from(one.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;

    #[test]
    fn what_came_before_the_wait_is_found() {
        let signals = Signals::take_over().unwrap();
        raise(Signal::SIGUSR2).unwrap();
        raise(Signal::SIGHUP).unwrap();
        let mut found = signals.next(Duration::from_secs(10)).unwrap();
        found.sort();
        assert_eq!(found, [Signal::SIGHUP, Signal::SIGUSR2]);
        assert_eq!(signals.next(Duration::ZERO).unwrap(), []);
    }
}
