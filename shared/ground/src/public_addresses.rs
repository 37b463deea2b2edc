//! Addresses of the public Internet, for requests to hosts that strangers name.
//!
//! A name is resolved once for each connection, and what it resolved to is what is dialled, so that no second answer can
//! lead elsewhere. Source of the ranges: IANA's registries of special-purpose addresses
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Returns whether an address is a global unicast address. One that embeds an IPv4 address (RFC 4291 section 2.5.5.2,
/// RFC 6052) is judged by that.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(embedded) => is_public_v4(embedded),
            None => is_public_v6(address),
        },
    }
}

/// First address and prefix length of each range that is not the public Internet's.
const SPECIAL_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, reserved, broadcast.
    ([224, 0, 0, 0], 3),
];

/// The same of IPv6 within `2000::/3`, outside of which nothing is public: protocols (Teredo, ORCHID), documentation, 6to4.
const SPECIAL_V6: &[([u16; 2], u32)] = &[
    ([0x2001, 0], 23),
    ([0x2001, 0x0db8], 32),
    ([0x2002, 0], 16),
    ([0x2620, 0x4f], 32),
    ([0x3fff, 0], 20),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_in = |(first, length): &([u8; 4], u32)| {
        (u32::from(address) ^ u32::from_be_bytes(*first)) >> (32 - length) == 0
    };
    !SPECIAL_V4.iter().any(is_in)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let beginning = |[first, second]: [u16; 2]| u32::from(first) << 16 | u32::from(second);
    let is_in = |(special, length): &([u16; 2], u32)| {
        (beginning([first, second]) ^ beginning(*special)) >> (32 - length) == 0
    };
    first & 0xe000 == 0x2000 && !SPECIAL_V6.iter().any(is_in)
}

/// Returns the IPv4 address in a mapped address, or in one of the prefix of NAT64.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() else {
        return address.to_ipv4_mapped();
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// The future of the addresses of a name.
pub type LookedUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Resolves names to public addresses only.
#[derive(Clone)]
pub struct PublicAddresses(Arc<dyn Fn(String) -> LookedUp + Send + Sync>);

/// A name that has no public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name has no public address")]
pub struct NoPublicAddress;

impl PublicAddresses {
    /// Resolves with the operating system.
    pub fn of_system() -> Self {
        Self::looked_up(|name| {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
        })
    }

    /// Resolves with this function.
    pub fn looked_up(lookup: impl Fn(String) -> LookedUp + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }
}

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let looked_up = (self.0)(name.as_str().to_owned());
        Box::pin(async move {
            let mut addresses = looked_up.await?;
            addresses.retain(|address| is_public(address.ip()));
            if addresses.is_empty() {
                return Err(NoPublicAddress.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests;
