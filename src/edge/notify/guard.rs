//! Where a webhook may lead. The address is judged after the name was resolved, and the connection
//! goes to the very address that was judged, so a name server cannot change its mind in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A reason not to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Link-local, metadata service, multicast, broadcast or unspecified.
    #[error("{0} is a link-local, metadata or otherwise special address")]
    Special(IpAddr),
    /// A private network.
    #[error("{0} is a private address")]
    Private(IpAddr),
    /// This machine, reached by a name that does not say so.
    #[error("{0} is a loopback address behind another name")]
    Loopback(IpAddr),
}

/// What the owner of the configuration allowed, for one URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guard {
    allow_private: bool,
    /// The URL itself says that it means this machine.
    names_loopback: bool,
}

impl Guard {
    /// A guard for `url`.
    pub(super) fn new(url: &Url, allow_private: bool) -> Self {
        let host = url.host_str().unwrap_or_default();
        let is_local_name = host == "localhost" || host.ends_with(".localhost");
        let is_local_address = literal(url).is_some_and(|address| plain(address).is_loopback());
        Self {
            allow_private,
            names_loopback: is_local_name || is_local_address,
        }
    }

    /// Whether a connection to `address` may be made.
    pub(super) fn check(self, address: IpAddr) -> Result<(), Refusal> {
        let inner = plain(address);
        if is_special(inner) {
            return Err(Refusal::Special(address));
        }
        if inner.is_loopback() && !self.names_loopback && !self.allow_private {
            return Err(Refusal::Loopback(address));
        }
        if is_private(inner) && !self.allow_private {
            return Err(Refusal::Private(address));
        }
        Ok(())
    }
}

/// Checks an address that stands in `url` itself: such a one is never resolved, so the resolver
/// does not see it.
pub(super) fn check_url(url: &Url, allow_private: bool) -> Result<(), Refusal> {
    match literal(url) {
        Some(address) => Guard::new(url, allow_private).check(address),
        None => Ok(()),
    }
}

/// The address in `url`. The URL parser has already turned `0x7f.1` and its like into one form.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// Resolves names by the system and lets through what the guard allows.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut refused = None;
            let mut allowed: Vec<SocketAddr> = Vec::new();
            for address in found {
                match guard.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(refusal) => refused = Some(refusal),
                }
            }
            match (allowed.is_empty(), refused) {
                (true, Some(refusal)) => Err(refusal.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// The address that packets to `address` end at: IPv6 can carry an IPv4 address in four ways.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let [_, b, c, .., g, h] = v6.segments();
    let tail = || v4(g, h);
    match v6.segments() {
        // ::ffff:a.b.c.d (mapped) and ::a.b.c.d (compatible; :: and ::1 are IPv6's own).
        [0, 0, 0, 0, 0, 0xffff, ..] => tail(),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0, ..] => tail(),
        // NAT64, the well-known prefix and the one for local use.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => tail(),
        // 6to4 has the address behind its prefix.
        [0x2002, ..] => v4(b, c),
        _ => address,
    }
}

fn v4(high: u16, low: u16) -> IpAddr {
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Ipv4Addr::new(a, b, c, d).into()
}

fn is_special(address: IpAddr) -> bool {
    /// Metadata services outside the link-local range: Alibaba, Azure, Oracle.
    const METADATA: [Ipv4Addr; 3] = [
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(168, 63, 129, 16),
        Ipv4Addr::new(192, 0, 0, 192),
    ];
    /// Amazon's metadata service over IPv6.
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address {
        IpAddr::V4(v4) => {
            let first = v4.octets()[0];
            v4.is_link_local()
                || v4.is_multicast()
                || v4.is_unspecified()
                || first == 0
                || first >= 240
                || METADATA.contains(&v4)
        }
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.is_multicast()
                || v6.is_unspecified()
                || v6 == METADATA_V6
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                // Shared (carrier-grade NAT), benchmarking, protocol assignments.
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (18..20).contains(&b))
                || (a == 192 && b == 0 && c == 0)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.segments()[0] & 0xffc0 == 0xfec0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &str) -> Url {
        format!("http://{host}/hook").parse().unwrap()
    }

    #[test]
    fn metadata_and_link_local_addresses_are_refused_however_they_are_written() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9.0xfe.0xa9.0xfe",
            "0251.0376.0251.0376",
            "169.254.43518",
            "[::ffff:169.254.169.254]",
            "[::169.254.169.254]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b:1::a9fe:a9fe]",
            "[2002:a9fe:a9fe::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "[::]",
            "224.0.0.1",
            "255.255.255.255",
            "[ff02::1]",
            "169.254.169.254.",
            "１６９.254.169.254",
        ] {
            let refused = check_url(&url(host), true);
            assert!(matches!(refused, Err(Refusal::Special(_))), "{host}");
        }
    }

    #[test]
    fn private_addresses_need_the_owners_word() {
        for host in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "198.18.0.1",
            "[fd12::1]",
            "[::ffff:10.0.0.1]",
            "[2002:c0a8:0101::]",
            "[fec0::1]",
        ] {
            let refused = check_url(&url(host), false);
            assert!(matches!(refused, Err(Refusal::Private(_))), "{host}");
            assert_eq!(check_url(&url(host), true), Ok(()), "{host}");
        }
        for host in ["93.184.215.14", "[2606:2800:21f::1]", "hooks.example.net"] {
            assert_eq!(check_url(&url(host), false), Ok(()), "{host}");
        }
    }

    #[test]
    fn loopback_is_taken_only_when_the_url_itself_says_so() {
        let home = IpAddr::from([127, 0, 0, 1]);
        for host in ["127.0.0.1:9", "localhost:9", "[::1]:9", "0x7f.1"] {
            assert_eq!(Guard::new(&url(host), false).check(home), Ok(()), "{host}");
        }
        let rebound = Guard::new(&url("hooks.example.net"), false);
        assert_eq!(rebound.check(home), Err(Refusal::Loopback(home)));
        let local = Guard::new(&url("localhost"), false);
        assert!(local.check(IpAddr::from([10, 0, 0, 1])).is_err());
        assert!(local.check(IpAddr::from([169, 254, 169, 254])).is_err());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_refused_address_gives_none() {
        let guard = Guard::new(&url("hooks.example.net"), false);
        let answer = guard.resolve("localhost".parse().unwrap()).await;
        assert!(answer.is_err(), "the name leads to this machine");
        let guard = Guard::new(&url("localhost"), false);
        let answer = guard.resolve("localhost".parse().unwrap()).await;
        assert!(answer.is_ok_and(|mut addresses| addresses.next().is_some()));
    }
}
