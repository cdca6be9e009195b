//! Which TCP sockets the pod's other containers still have: all that one container can see of another's life.
//!
//! Containers of a pod share the network namespace, whose sockets the kernel lists.

use std::io;
use std::path::Path;

use crate::kernel_sockets::{State, each_tcp_socket, inodes_of};

/// The most telling of others' sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sockets {
    None,
    Connected,
    Listening,
}

/// Fails where the kernel does not tell.
pub fn sockets_of_others(own_pids: &[u32], proc: &Path) -> io::Result<Sockets> {
    let own = inodes_of(own_pids, proc)?;
    let mut most = Sockets::None;
    each_tcp_socket(proc, |one| {
        let kind = match one.state {
            State::Listening => Sockets::Listening,
            State::Connected => Sockets::Connected,
            State::Other => Sockets::None,
        };
        if !own.contains(&one.inode) {
            most = most.max(kind);
        }
    })?;
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel_sockets::PROC;
    use crate::kernel_sockets::tests::{line, proc};
    use crate::namespaces::in_network_namespace;
    use std::net::TcpListener;
    use std::process::id;

    #[test]
    fn the_most_telling_counts() {
        let none = Vec::new;
        for (lines, v6, expected) in [
            (none(), None, Sockets::None),
            (vec![line("0A", 42), line("01", 42)], Some(none()), Sockets::None),
            (vec![line("01", 44), line("0A", 43)], Some(none()), Sockets::Listening),
            (none(), Some(vec![line("01", 43)]), Sockets::Connected),
            // Closed by its program: TIME_WAIT and FIN_WAIT2 are the kernel's, and have no inode.
            (vec![line("06", 0), line("05", 0)], Some(none()), Sockets::None),
        ] {
            let proc = proc(&lines, v6.as_deref());
            assert_eq!(sockets_of_others(&[7, 8], proc.path()).unwrap(), expected, "{lines:?} {v6:?}");
        }
    }

    #[test]
    fn the_real_kernel_tells() {
        assert_eq!(in_network_namespace("app_sockets::tests::of_a_listener", &[]), "Ok(None) Ok(Listening)");
    }

    #[test]
    #[ignore = "where nothing else listens: the test above runs it"]
    fn of_a_listener() {
        let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let [own, all] = [&[id()][..], &[]].map(|pids| sockets_of_others(pids, Path::new(PROC)).map_err(|e| e.kind()));
        println!("told: {own:?} {all:?}");
    }

    #[test]
    fn a_kernel_that_does_not_tell_is_an_error() {
        assert!(sockets_of_others(&[], Path::new("/nowhere")).is_err());
    }
}
