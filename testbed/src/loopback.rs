//! Loopback addresses that no other process on this machine uses.
//!
//! On Linux the whole of 127.0.0.0/8 is local without any set-up, so that each
//! load balancer and each Node of a test can have an address of its own, and
//! with it all ports.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail, ensure};
use ipnet::Ipv4Net;

/// Ranges are taken from 127.64.0.0/10; demos use 127.10, 127.21 and 127.22.
const FIRST: u32 = u32::from_be_bytes([127, 64, 0, 0]);
/// Each has 4,096 addresses.
const PREFIX: u8 = 20;
/// So there are this many.
const RANGES: u32 = 1 << (PREFIX - 10);
/// A range belongs to the process that listens on this port of its first address: a
/// claim that ends with the process. Outside the kernel's ephemeral ports.
const CLAIM_PORT: u16 = 65_535;

/// Sends the ranges of one process to different places.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A range of loopback addresses, claimed for as long as this value lives,
/// across all processes of this machine that use this type.
#[derive(Debug)]
pub struct LoopbackRange {
    network: Ipv4Net,
    _claim: TcpListener,
}

impl LoopbackRange {
    /// Claims a free range of 4,096 addresses.
    ///
    /// # Errors
    /// All ranges are taken, or loopback addresses cannot be bound.
    pub fn claim() -> anyhow::Result<Self> {
        let start = std::process::id().wrapping_mul(17);
        let mut last = None;
        for _ in 0..RANGES {
            let turn = NEXT.fetch_add(1, Ordering::Relaxed);
            let index = start.wrapping_add(turn) % RANGES;
            let first = Ipv4Addr::from(FIRST + (index << (32 - PREFIX)));
            match Self::claim_network(Ipv4Net::new(first, PREFIX)?) {
                Ok(claimed) => return Ok(claimed),
                Err(error) => last = Some(error),
            }
        }
        bail!("no free range of loopback addresses in 127.64.0.0/10; the last answer was {last:?}")
    }

    /// Claims this range, at least a /20.
    ///
    /// # Errors
    /// Another process has claimed it.
    pub fn claim_network(network: Ipv4Net) -> anyhow::Result<Self> {
        ensure!(
            network.prefix_len() <= PREFIX,
            "{network} is smaller than a /{PREFIX}"
        );
        let claim = TcpListener::bind(SocketAddrV4::new(network.network(), CLAIM_PORT))
            .with_context(|| format!("claiming {network}"))?;
        Ok(Self {
            network,
            _claim: claim,
        })
    }

    /// The whole range; its first address is the claim, and is not given out.
    pub fn network(&self) -> Ipv4Net {
        self.network
    }

    /// The n-th address, from 1 to 4,094; larger numbers start again at 1.
    pub fn address(&self, n: u16) -> Ipv4Addr {
        let usable = (1 << (32 - PREFIX)) - 2;
        let offset = (u32::from(n).saturating_sub(1)) % usable + 1;
        Ipv4Addr::from(u32::from(self.network.network()) + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ranges_never_overlap() {
        let one = LoopbackRange::claim().unwrap();
        let two = LoopbackRange::claim().unwrap();
        assert!(!one.network().contains(&two.network()));
        assert!(one.network().contains(&one.address(1)));
        assert!(one.network().contains(&one.address(u16::MAX)));
    }

    #[test]
    fn a_range_is_free_again_when_its_claim_is_dropped() {
        let claimed = LoopbackRange::claim().unwrap();
        let network = claimed.network();
        assert!(LoopbackRange::claim_network(network).is_err());
        drop(claimed);
        assert!(LoopbackRange::claim_network(network).is_ok());
    }
}
