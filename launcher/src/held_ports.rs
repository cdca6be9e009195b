//! Keeps a sidecar's ports open while its Envoy is started again, so that connections wait instead of being refused.
//!
//! What waits in the backlog of a listener goes over to another listener of the same port when the first is closed, where
//! the network namespace has `net.ipv4.tcp_migrate_req`: a matter of the node or of the pod. Elsewhere nothing is held,
//! since what waits would be reset.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::socket::sockopt::{Ipv6V6Only, ReuseAddr, ReusePort};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, listen, setsockopt, socket,
};

use crate::kernel_sockets::{PROC, State, each_tcp_socket, inodes_of};

/// Where traffic is redirected to: nobody else's connections may wait here.
const REDIRECTED_TO: [u16; 2] = [15000, 15001];
pub const GIVE_UP: Duration = Duration::from_secs(10);
const BACKLOG: i32 = 4096;

/// Ports, each with whether it is one of IPv6.
type Ports = BTreeSet<(bool, u16)>;

/// Of one Envoy after the other.
pub struct HeldPorts {
    proc: PathBuf,
    ports: Vec<u16>,
    known: Ports,
    held: Vec<OwnedFd>,
    since: Duration,
}

impl HeldPorts {
    pub fn new() -> HeldPorts {
        HeldPorts::of(&REDIRECTED_TO)
    }

    fn of(ports: &[u16]) -> HeldPorts {
        let since = Duration::ZERO;
        HeldPorts { proc: PROC.into(), ports: ports.into(), known: Ports::new(), held: Vec::new(), since }
    }

    pub fn are_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// What this Envoy listens on, to be known when it is gone.
    pub fn note(&mut self, pid: u32) {
        if !self.are_held() {
            self.known = self.listened(pid);
        }
    }

    /// Envoy is gone.
    pub fn hold(&mut self, now: Duration) {
        if self.are_held() || !self.may_migrate() {
            return;
        }
        self.since = now;
        let opened = self.known.iter().filter_map(|one| self.listener(*one).ok());
        self.held = opened.collect();
    }

    /// As soon as the new Envoy listens on all of them, or after a while: it may have none of them any more.
    pub fn release(&mut self, pid: u32, now: Duration) {
        if self.are_held() && (now >= self.since + GIVE_UP || self.known.is_subset(&self.listened(pid))) {
            self.held.clear();
        }
    }

    fn listener(&self, (is_ipv6, port): (bool, u16)) -> nix::Result<OwnedFd> {
        let family = if is_ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let made = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&made, ReuseAddr, &true)?;
        setsockopt(&made, ReusePort, &true)?;
        if is_ipv6 {
            let takes_ipv4_too = !self.known.contains(&(false, port));
            setsockopt(&made, Ipv6V6Only, &!takes_ipv4_too)?;
            let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0);
            bind(made.as_raw_fd(), &SockaddrIn6::from(any))?;
        } else {
            bind(made.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)))?;
        }
        listen(&made, Backlog::new(BACKLOG)?)?;
        Ok(made)
    }

    fn listened(&self, pid: u32) -> Ports {
        let mut listening = Vec::new();
        let told = each_tcp_socket(&self.proc, |one| {
            if one.state == State::Listening && self.ports.contains(&one.port) {
                listening.push(one);
            }
        });
        if told.is_err() || listening.is_empty() {
            return Ports::new();
        }
        let own = inodes_of(&[pid], &self.proc).unwrap_or_default();
        listening.iter().filter(|one| own.contains(&one.inode)).map(|one| (one.is_ipv6, one.port)).collect()
    }

    fn may_migrate(&self) -> bool {
        fs::read_to_string(self.proc.join("sys/net/ipv4/tcp_migrate_req")).is_ok_and(|text| text.trim() != "0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespaces::in_network_namespace;
    use std::env;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::process::id;

    const PORT: u16 = 15001;

    #[test]
    fn what_waits_goes_over_to_the_next_envoy() {
        let test = "held_ports::tests::one_listener_after_the_other";
        for (family, switch, expected) in [
            ("ipv4", "1", "held: true, held: false hello, held: true, held: false"),
            ("ipv6", "1", "held: true, held: false hello, held: true, held: false"),
            // Without it what waits would be reset: it is better off refused.
            ("ipv4", "0", "held: false"),
        ] {
            assert_eq!(in_network_namespace(test, &[("FAMILY", family), ("SWITCH", switch)]), expected, "{family}");
        }
    }

    #[test]
    #[ignore = "needs a switch of its own: the test above runs it"]
    fn one_listener_after_the_other() {
        let is_ipv6 = env::var("FAMILY").unwrap() == "ipv6";
        fs::write("/proc/sys/net/ipv4/tcp_migrate_req", env::var("SWITCH").unwrap()).unwrap();
        let mut ports = HeldPorts::of(&[PORT]);
        let listener = |ports: &HeldPorts| TcpListener::from(ports.listener((is_ipv6, PORT)).unwrap());
        let tell = |ports: &HeldPorts, more: &str| println!("told: held: {}{more}", ports.are_held());
        let first = listener(&ports);
        ports.note(id());
        drop(first);
        ports.hold(Duration::ZERO);
        tell(&ports, "");
        if !ports.are_held() {
            return;
        }
        let mut waiting = TcpStream::connect(("127.0.0.1", PORT)).unwrap();
        waiting.write_all(b"hello").unwrap();
        // Of a process that has none of them: what is known stays.
        ports.note(1);
        let second = listener(&ports);
        ports.release(id(), Duration::from_millis(100));
        let mut taken = [0; 5];
        second.accept().unwrap().0.read_exact(&mut taken).unwrap();
        tell(&ports, &format!(" {}", String::from_utf8_lossy(&taken)));
        drop(second);
        ports.hold(Duration::from_secs(1));
        ports.release(1, Duration::from_millis(1_100));
        tell(&ports, "");
        ports.release(1, Duration::from_secs(1) + GIVE_UP);
        tell(&ports, "");
    }
}
