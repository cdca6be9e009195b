//! For which hosts certificates are asked for, as Kong tells them; `compile/gateway/acme_hosts.py` says the same.

use std::collections::HashSet;
use std::net::Ipv4Addr;

#[derive(Debug)]
pub struct Domains {
    /// None: all.
    listed: Option<Listed>,
    takes_addresses: bool,
}

#[derive(Debug)]
struct Listed {
    names: HashSet<Box<[u8]>>,
    /// What stands behind the `*`: names that end so.
    endings: Box<[Box<[u8]>]>,
}

impl Domains {
    pub fn new(domains: Option<&[String]>, takes_addresses: bool) -> Self {
        let listed = domains.map(|domains| {
            let lower: Vec<_> = domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
            let endings = lower.iter().filter_map(|domain| domain.strip_prefix('*')).map(|end| end.as_bytes().into());
            let names = lower.iter().filter(|domain| !domain.starts_with('*')).map(|name| name.as_bytes().into());
            Listed { endings: endings.collect(), names: names.collect() }
        });
        Self { listed, takes_addresses }
    }

    pub fn have(&self, host: &[u8]) -> bool {
        let host = host.to_ascii_lowercase();
        if host.is_empty() || (!self.takes_addresses && is_address(&host)) {
            return false;
        }
        self.listed.as_ref().is_none_or(|listed| {
            listed.names.contains(host.as_slice()) || listed.endings.iter().any(|ending| host.ends_with(ending))
        })
    }
}

fn is_address(host: &[u8]) -> bool {
    std::str::from_utf8(host).is_ok_and(|host| host.parse::<Ipv4Addr>().is_ok())
}
