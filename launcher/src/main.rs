//! The life of one Envoy beside its pod: started, started again, drained at the end.
//!
//! `crossfade proxy` works out what Envoy needs, then becomes this program (`exec`), which waits in less memory.
//!
//! | signal | meaning |
//! |---|---|
//! | SIGUSR2 | the pod is about to end (the sidecar's preStop hook): peers are told to turn away, all else goes on |
//! | SIGTERM, SIGINT, SIGQUIT | the end; of a native sidecar it comes when the pod's own containers have ended |
//! | SIGUSR1, SIGHUP | handed on to Envoy |

mod admin;
mod app_sockets;
mod arguments;
mod child;
mod drain;
mod envoy;
mod folders;
mod held_ports;
mod kernel_sockets;
mod launcher;
mod life;
#[cfg(test)]
mod namespaces;
mod restarts;
mod signals;
mod watched_files;

use std::env;
use std::process::ExitCode;

use arguments::{Command, command};

fn main() -> ExitCode {
    let outcome = match command(env::args_os().skip(1)) {
        Ok(Command::Launch(plan)) => launcher::run(*plan),
        Ok(Command::Become(child)) => Err(child::become_it(&child)),
        Err(problem) => Err(problem),
    };
    outcome.map_or_else(
        |problem| {
            say(&problem);
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}

/// For people: on stderr.
fn say(text: &str) {
    eprintln!("crossfade proxy: {text}");
}
