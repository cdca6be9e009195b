//! Ends a program with its parent. Envoy asks the kernel for that itself only where hot restart is on.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::getppid;

use crate::arguments::Child;

/// Returns only if it cannot: the text says why. The process id stays.
pub fn become_it(child: &Child) -> String {
    let Some((program, arguments)) = child.program.split_first() else { return "there is no program".into() };
    let asked = set_pdeathsig(Signal::SIGKILL).and_then(|()| SigSet::all().thread_unblock());
    if let Err(error) = asked {
        return format!("cannot end with the parent process: {error}");
    }
    // A death before the request goes unnoticed.
    if getppid().as_raw() != child.parent {
        return "the parent process has ended".into();
    }
    let error = Command::new(program).args(arguments).envs(variables(child)).exec();
    format!("cannot start {}: {error}", program.display())
}

/// Names and values, whatever bytes these are.
fn variables(child: &Child) -> impl Iterator<Item = (&OsStr, &OsStr)> {
    child.environment.iter().filter_map(|one| {
        let bytes = one.as_bytes();
        let at = bytes.iter().position(|byte| *byte == b'=')?;
        Some((OsStr::from_bytes(&bytes[..at]), OsStr::from_bytes(&bytes[at + 1..])))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn variables_are_names_and_values() {
        let environment = vec!["A=b=c".into(), "B=".into(), OsString::from_vec(b"C=\xff".into()), "nonsense".into()];
        let child = Child { environment, ..Child::default() };
        let found: Vec<_> = variables(&child).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        assert_eq!(found, [(&b"A"[..], &b"b=c"[..]), (b"B", b""), (b"C", b"\xff")]);
    }
}
