//! A free port for a program that needs a fixed one.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};

/// Below the ports that Linux gives to outgoing connections (from 32768): one
/// of those could take the port between our look and the program's bind.
const FIRST: u16 = 10_000;
const COUNT: u64 = 10_000;
const TRIES: u64 = 100;

/// An address of 127.0.0.1 that no process listens on. Chosen at random, so that
/// many who choose at once do not choose the same.
///
/// # Errors
/// None was found.
pub fn free_address() -> Result<SocketAddr> {
    let random = RandomState::new();
    (0..TRIES)
        .filter_map(|attempt| u16::try_from(random.hash_one(attempt) % COUNT).ok())
        .map(|offset| SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + offset)))
        .find(|address| TcpListener::bind(address).is_ok())
        .context("no free port on 127.0.0.1")
}
