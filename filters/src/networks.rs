//! A set of addresses, told as addresses and networks: asked in logarithmic time, however long the list.

use crate::error::ConfigError;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr};

/// Without overlaps and in order.
#[derive(Debug, Default)]
pub struct Networks {
    v4: Vec<Ipv4Net>,
    v6: Vec<Ipv6Net>,
}

impl Networks {
    pub fn parse(field: &str, entries: &[String]) -> Result<Self, ConfigError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (place, entry) in (1..).zip(entries) {
            match network(entry) {
                Some(IpNet::V4(network)) => v4.push(network),
                Some(IpNet::V6(network)) => v6.push(network),
                None => {
                    let text = format!("{field}.{place}: invalid ip or cidr range: '{entry}'");
                    return Err(ConfigError::Invalid(text.into()));
                }
            }
        }
        Ok(Self { v4: Ipv4Net::aggregate(&v4), v6: Ipv6Net::aggregate(&v6) })
    }

    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// An IPv4 address in the clothes of an IPv6 one counts as what it is.
    pub fn contain(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let after = self.v4.partition_point(|network| network.network() <= address);
                self.v4[..after].last().is_some_and(|network| network.contains(&address))
            }
            IpAddr::V6(address) => {
                let after = self.v6.partition_point(|network| network.network() <= address);
                self.v6[..after].last().is_some_and(|network| network.contains(&address))
            }
        }
    }
}

/// `10.0.0.1`, `10.0.0.0/8`, `::1`, `[::1]`, `fd00::/8`.
fn network(entry: &str) -> Option<IpNet> {
    let (address, prefix) = entry.split_once('/').map_or((entry, None), |(address, prefix)| (address, Some(prefix)));
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => address.parse().ok()?,
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(prefix) => prefix_length(prefix, longest)?,
        None => longest,
    };
    let network = IpNet::new(address, prefix).ok()?;
    Some(unmapped(network).unwrap_or(network).trunc())
}

/// Digits without a zero in front.
fn prefix_length(text: &str, longest: u8) -> Option<u8> {
    let length: u8 = text.parse().ok()?;
    (length <= longest && length.to_string() == text).then_some(length)
}

/// The IPv4 network that an IPv6 one writes as `::ffff:…`.
fn unmapped(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(network) = network else { return None };
    let length = network.prefix_len().checked_sub(96)?;
    let address: Ipv4Addr = network.addr().to_ipv4_mapped()?;
    Some(IpNet::V4(Ipv4Net::new(address, length).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn networks(entries: &[&str]) -> Networks {
        let entries: Vec<_> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        Networks::parse("allow", &entries).unwrap()
    }

    #[test]
    fn what_names_addresses() {
        for entry in ["10.0.0.1", "10.1.2.3/8", "0.0.0.0/0", "::", "::/0", "[::1]", "[fd00::]/8", "::ffff:10.0.0.1/104"]
        {
            assert!(network(entry).is_some(), "{entry}");
        }
        for entry in [
            "",
            "hello",
            "10.0.0",
            "010.0.0.1",
            "10.0.0.1/",
            "10.0.0.1/33",
            "10.0.0.1/-1",
            "10.0.0.1/a",
            "10.0.0.1/08",
            "10.0.0.1/+8",
            "10.0.0.1/8/8",
            "10.0.0.1/255.0.0.0",
            "[10.0.0.1]",
            "::/129",
            "::1%eth0",
            " ::1",
            "[::1",
        ] {
            assert!(network(entry).is_none(), "{entry}");
        }
    }

    #[test]
    fn what_they_contain() {
        let some = networks(&["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "::ffff:203.0.113.0/120", "fd00::/8"]);
        for (address, expected) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("203.0.113.9", true),
            ("::ffff:10.1.2.3", true),
            ("fdff::1", true),
            ("fe00::", false),
            ("0.0.0.0", false),
            ("::", false),
        ] {
            assert_eq!(some.contain(address.parse().unwrap()), expected, "{address}");
        }
        assert!(!networks(&["::/0"]).contain("10.0.0.1".parse().unwrap()), "no IPv4 address is an IPv6 one");
    }

    proptest! {
        #[test]
        fn they_contain_what_one_of_them_contains(
            raw in proptest::collection::vec((any::<[u8; 4]>(), 0u8..=32), 0..20),
            address in any::<[u8; 4]>(),
        ) {
            let all: Vec<_> = raw.iter().map(|(octets, length)| format!("{}/{length}", Ipv4Addr::from(*octets))).collect();
            let address = Ipv4Addr::from(address);
            let expected = all.iter().any(|text| text.parse::<Ipv4Net>().unwrap().contains(&address));
            prop_assert_eq!(Networks::parse("allow", &all).unwrap().contain(address.into()), expected);
        }
    }
}
