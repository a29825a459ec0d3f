//! Where a request may lead. The address is judged after the name was resolved, and the connection
//! goes to the very address that was judged, so a name server cannot change its mind in between.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Egress;

/// A reason not to connect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// There is a list, and it is not in it.
    #[error("{0} is not in the list egress.allow")]
    NotListed(String),
    /// A user or a password in an address is a secret in plain, and hides the host from readers.
    #[error("an address with a user or a password in it is not taken")]
    Credentials,
}

/// How a name becomes addresses: by the system, or as a test says.
pub(crate) type Lookup = Arc<dyn Fn(String) -> Looking + Send + Sync>;
/// Addresses to come.
pub(crate) type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// What the owner of the configuration allowed, for one URL.
#[derive(Clone)]
pub(crate) struct Guard {
    allow_private: bool,
    /// The URL itself says, in plain, that it means this machine.
    names_loopback: bool,
    /// The host is listed by its name, or there is no list.
    is_listed: bool,
    egress: Arc<Egress>,
    lookup: Lookup,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard for `url`, which reads `written` in the configuration.
    pub(crate) fn new(url: &Url, written: &str, allow_private: bool, egress: &Egress) -> Self {
        Self {
            allow_private,
            names_loopback: names_loopback(url, written),
            is_listed: egress.is_empty() || egress.names(url),
            egress: Arc::new(egress.clone()),
            lookup: Arc::new(|name| {
                Box::pin(async move {
                    let found = tokio::net::lookup_host((name, 0)).await?;
                    Ok(found.collect())
                })
            }),
        }
    }

    /// A guard for the collector at `url`, which may well be in a private network or on this machine,
    /// whatever it is called.
    pub(crate) fn of_collector(url: &Url, egress: &Egress) -> Self {
        Self {
            names_loopback: true,
            ..Self::new(url, "", true, egress)
        }
    }

    /// The same with names resolved by `lookup`.
    #[cfg(test)]
    pub(crate) fn resolving_by(self, lookup: Lookup) -> Self {
        Self { lookup, ..self }
    }

    /// Whether a connection to `address` may be made.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        let inner = plain(address);
        if [inner, address]
            .into_iter()
            .chain(behind_nat64(address))
            .any(is_special)
        {
            return Err(Refusal::Special(address));
        }
        if self.egress.holds(inner) {
            return Ok(());
        }
        if !self.is_listed {
            return Err(Refusal::NotListed(address.to_string()));
        }
        if inner.is_loopback() && !self.names_loopback {
            return Err(Refusal::Loopback(address));
        }
        if (is_private(inner) || is_private(address)) && !self.allow_private {
            return Err(Refusal::Private(address));
        }
        Ok(())
    }

    /// Checks an address that stands in `url` itself: such a one is never resolved, so the resolver
    /// does not see it.
    pub(crate) fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        match literal(url) {
            Some(address) => self.check(address),
            None => Ok(()),
        }
    }

    /// The addresses of `name` that a connection may be made to.
    pub(crate) async fn addresses(&self, name: String) -> Result<Vec<SocketAddr>, Refused> {
        let found = (self.lookup)(name).await?;
        let mut refused = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.check(address.ip()) {
                Ok(()) => allowed.push(address),
                Err(refusal) => refused = Some(refusal),
            }
        }
        match (allowed.is_empty(), refused) {
            (true, Some(refusal)) => Err(refusal.into()),
            _ => Ok(allowed),
        }
    }
}

/// Why a name leads nowhere.
pub(crate) type Refused = Box<dyn std::error::Error + Send + Sync>;

/// `localhost`, `127.0.0.1` or `[::1]`, written so: whoever disguises this machine does not mean it.
pub(super) fn names_loopback(url: &Url, written: &str) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_local = host == "localhost"
        || host.ends_with(".localhost")
        || literal(url).is_some_and(|address| address.is_loopback());
    let authority = written.split_once("://").map_or("", |(_, rest)| rest);
    let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
    let authority = authority
        .get(..end)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let behind = authority.strip_prefix(host);
    is_local && behind.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// The address in `url`. The URL parser has already turned `0x7f.1` and its like into one form.
pub(crate) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// Lets through what the guard allows.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str().to_owned()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The address that packets to `address` end at: IPv6 can carry an IPv4 address in several ways.
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
        // SIIT, and ISATAP in any network.
        [0, 0, 0, 0, 0xffff, 0, ..] | [_, _, _, _, 0 | 0x200, 0x5efe, ..] => tail(),
        // 6to4 has the address behind its prefix.
        [0x2002, ..] => v4(b, c),
        _ => address,
    }
}

/// Where NAT64 for local use may lead instead: its prefix may be one of 48 bits, with the address right
/// behind it but for one byte (RFC 6052, 2.2).
fn behind_nat64(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else {
        return None;
    };
    match v6.segments() {
        [0x64, 0xff9b, 1, high, third, fourth, ..] if high != 0 => {
            Some(v4(high, third << 8 | fourth >> 8))
        }
        _ => None,
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
    /// Those of Google and Scaleway over IPv6.
    const METADATA_V6: [Ipv6Addr; 2] = [
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
    ];
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
                || METADATA_V6.contains(&v6)
                // Amazon's own services on each machine: metadata, and the credentials of pods.
                // Teredo: the address behind it is hidden.
                || matches!(v6.segments(), [0xfd00, 0xec2, ..] | [0x2001, 0, ..])
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
        IpAddr::V6(v6) => {
            let [first, ..] = v6.segments();
            // Site-local, and NAT64 for local use.
            v6.is_unique_local()
                || first & 0xffc0 == 0xfec0
                || matches!(v6.segments(), [0x64, 0xff9b, 1, ..])
        }
    }
}

#[cfg(test)]
mod tests;
