//! TCP sockets as the kernel lists them, and whose they are.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::Path;

pub const PROC: &str = "/proc";

const LOCAL: usize = 1;
const STATE: usize = 3;
const INODE: usize = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Connected,
    Listening,
    Other,
}

/// One that a program holds: the kernel's own, as in TIME_WAIT, have no inode and are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelSocket {
    pub is_ipv6: bool,
    pub port: u16,
    pub state: State,
    pub inode: u64,
}

/// Of this network namespace, each given to `take`. Fails where the kernel does not tell.
pub fn each_tcp_socket(proc: &Path, mut take: impl FnMut(KernelSocket)) -> io::Result<()> {
    for (table, is_ipv6) in [("net/tcp", false), ("net/tcp6", true)] {
        let file = match File::open(proc.join(table)) {
            Err(error) if is_ipv6 && error.kind() == ErrorKind::NotFound => continue,
            opened => opened?,
        };
        for line in BufReader::new(file).lines().skip(1) {
            if let Some(found) = socket(&line?, is_ipv6) {
                take(found);
            }
        }
    }
    Ok(())
}

fn socket(line: &str, is_ipv6: bool) -> Option<KernelSocket> {
    let mut fields = [""; INODE + 1];
    for (field, text) in fields.iter_mut().zip(line.split_ascii_whitespace()) {
        *field = text;
    }
    let port = u16::from_str_radix(fields[LOCAL].rsplit_once(':')?.1, 16).ok()?;
    let state = match fields[STATE] {
        // Of connections that are there, and of those that the other side has closed.
        "01" | "08" => State::Connected,
        "0A" => State::Listening,
        _ => State::Other,
    };
    let inode = fields[INODE].parse().ok()?;
    (inode != 0).then_some(KernelSocket { is_ipv6, port, state, inode })
}

/// Of all sockets that these processes hold.
pub fn inodes_of(pids: &[u32], proc: &Path) -> io::Result<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for pid in pids {
        let entries = match fs::read_dir(proc.join(pid.to_string()).join("fd")) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            opened => opened?,
        };
        for entry in entries {
            let target = entry.and_then(|entry| fs::read_link(entry.path()));
            found.extend(target.ok().and_then(|target| inode(target.to_str()?)));
        }
    }
    Ok(found)
}

fn inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    pub const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

    pub fn line(state: &str, inode: u64) -> String {
        format!(
            "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0"
        )
    }

    /// As the kernel shows it where process 7 holds socket 42.
    pub fn proc(lines: &[String], v6: Option<&[String]>) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("net")).unwrap();
        let table = |lines: &[String]| format!("{HEAD}\n{}\n", lines.join("\n"));
        fs::write(folder.path().join("net/tcp"), table(lines)).unwrap();
        if let Some(lines) = v6 {
            fs::write(folder.path().join("net/tcp6"), table(lines)).unwrap();
        }
        fs::create_dir_all(folder.path().join("7/fd")).unwrap();
        symlink("socket:[42]", folder.path().join("7/fd/3")).unwrap();
        symlink("/dev/null", folder.path().join("7/fd/4")).unwrap();
        folder
    }

    #[test]
    fn lines_are_read_and_the_kernels_own_left_out() {
        let folder = proc(&[line("0A", 42), line("06", 0), "cut off".into(), line("01", 43)], Some(&[line("0A", 44)]));
        let mut found = Vec::new();
        each_tcp_socket(folder.path(), |one| found.push(one)).unwrap();
        let expected = [(false, State::Listening, 42), (false, State::Connected, 43), (true, State::Listening, 44)];
        let expected = expected.map(|(is_ipv6, state, inode)| KernelSocket { is_ipv6, port: 8080, state, inode });
        assert_eq!(found, expected);
    }

    #[test]
    fn sockets_of_a_process_that_has_ended_are_none() {
        let folder = proc(&[], None);
        assert_eq!(inodes_of(&[7, 8], folder.path()).unwrap(), BTreeSet::from([42]));
    }

    #[test]
    fn a_kernel_that_does_not_tell_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(each_tcp_socket(folder.path(), |_| ()).is_err());
    }
}
