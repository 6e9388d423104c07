//! Loopback addresses of the demo: the same ones each time, unless they are taken.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use anyhow::{Result, bail};
use ipnet::Ipv4Net;
use testbed::loopback::LoopbackRange;

/// The port of the examples' Services.
const PORT: u16 = 80;
/// Where port 80 may be instead: 80, 8080, 18080, …
const OFFSETS: [u16; 5] = [0, 8_000, 18_000, 28_000, 38_000];

/// The ranges of addresses.
pub struct Addresses {
    /// Of the Nodes.
    pub nodes: LoopbackRange,
    /// Of the load balancers of cloud1 and cloud2.
    pub clouds: [LoopbackRange; 2],
    /// Added to ports below 1024.
    pub low_port_offset: u16,
}

impl Addresses {
    /// 127.10.0.0/16, 127.21.0.0/16 and 127.22.0.0/16; others for a second demo
    /// on the same machine.
    ///
    /// # Errors
    /// There are none, or no port for the Services' port 80.
    pub fn take() -> Result<Self> {
        let clouds = [take_cloud(21)?, take_cloud(22)?];
        let low_port_offset = offset(clouds[0].address(1))?;
        Ok(Self {
            nodes: take(10)?,
            clouds,
            low_port_offset,
        })
    }
}

fn take(number: u8) -> Result<LoopbackRange> {
    let preferred = Ipv4Net::new(Ipv4Addr::new(127, number, 0, 0), 16)?;
    LoopbackRange::claim_network(preferred).or_else(|_| LoopbackRange::claim())
}

/// A cloud that was started by hand does not claim its range.
fn take_cloud(number: u8) -> Result<LoopbackRange> {
    let range = take(number)?;
    match bind(range.address(1), PORT) {
        Err(ErrorKind::AddrInUse) => LoopbackRange::claim(),
        Ok(()) | Err(_) => Ok(range),
    }
}

/// Port 80 needs rights that few users have, and may be taken on all addresses.
fn offset(address: Ipv4Addr) -> Result<u16> {
    let free = |offset: &u16| bind(address, PORT + offset).is_ok();
    match OFFSETS.into_iter().find(free) {
        Some(offset) => Ok(offset),
        None => bail!(
            "no port of {address} for port {PORT} of the Services: tried {OFFSETS:?} + {PORT}"
        ),
    }
}

fn bind(address: Ipv4Addr, port: u16) -> std::result::Result<(), ErrorKind> {
    let bound = TcpListener::bind(SocketAddrV4::new(address, port));
    bound.map(drop).map_err(|error| error.kind())
}
