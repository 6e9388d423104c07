//! The bounds on what a cloud may answer. A cloud is not trusted: what it answers must not
//! cost the memory or the time of the Services of other clouds.
//!
//! An answer that exceeds a bound of its size is a protocol error of that cloud
//! ([`ErrorKind::Protocol`](super::ErrorKind::Protocol)); a list that does has no result, so
//! that nothing is concluded from a part of it. `SECURITY.md` repeats the numbers.

use std::time::Duration;

/// Maximum size in bytes of a response with one load balancer, after decompression: a
/// load balancer with 1,000 back ends and 100 listeners has 30 KiB.
pub(super) const ONE: usize = 1 << 20;
/// Maximum size in bytes of a page of a list, after decompression: [`PAGE_SIZE`] load
/// balancers with 1,000 back ends each have 8 MB. A smaller page is requested otherwise.
pub(super) const PAGE: usize = 8 << 20;
/// Number of load balancers to request for a page; halved while a page is too large.
pub(super) const PAGE_SIZE: usize = 500;
/// Maximum number of items of a page. More than [`PAGE_SIZE`], because a cloud may ignore
/// the requested size.
pub(super) const PAGE_ITEMS: usize = 10_000;
/// Maximum number of pages of a list: 2,000 pages of 500 items are ten times
/// [`LIST_ITEMS`], so that a cloud may answer with smaller pages than requested.
pub(super) const LIST_PAGES: usize = 2_000;
/// Maximum number of items of a list, also those of other owners: twenty times the 5,000
/// Services of the largest measured cluster.
pub(super) const LIST_ITEMS: usize = 100_000;
/// Maximum number of bytes of all pages of a list: 5,000 load balancers with 1,000 back
/// ends each have 75 MB.
pub(super) const LIST_BYTES: usize = 256 << 20;
/// Maximum number of bytes that the load balancers of a list may occupy in memory without their
/// specs: room for 25,000 with names of a usual length, whatever they have.
pub(super) const LIST_KEPT: usize = 15 << 20;
/// Maximum number of bytes of the specs of a list that are kept, those of at most
/// [`LARGE_SPEC`] bytes: room for 10,000 with three ports each and a set of 1,000 back ends for
/// each choice of Nodes. The others are known without their specs.
pub(super) const LIST_SPECS: usize = 5 << 20;
/// The same for larger specs, so that a few users of many ports cost the others nothing: room
/// for 200 with 200 ports each.
pub(super) const LIST_LARGE_SPECS: usize = 5 << 20;
/// Number of bytes of a spec beside its back ends from which on it is a large one: some 30
/// ports.
pub(super) const LARGE_SPEC: usize = 4 << 10;
/// Maximum number of bytes that one load balancer may occupy in memory beside its back ends.
/// The largest that a Service may ask for has 256 listeners with the longest names, paths and
/// application protocols, 500 source ranges and 40 tags, some 230 KiB.
pub(super) const LOAD_BALANCER: usize = 256 << 10;
/// Maximum number of back ends of one load balancer: twice the Nodes of the largest cluster that
/// Kubernetes supports.
pub(super) const BACK_ENDS: usize = 10_000;
/// Maximum duration of a list: the default interval between two lists.
pub(super) const LIST_TIME: Duration = Duration::from_secs(300);
/// Maximum number of bytes of a page token.
pub(super) const PAGE_TOKEN: usize = 4 << 10;
/// Maximum number of addresses and host names of one load balancer: more than any cloud gives one, and
/// each is an entry of the Service's status.
pub(super) const ADDRESSES: usize = 16;
/// Maximum size in bytes of the answer about capabilities: [`CAPABILITY_ITEMS`] specs with the
/// longest names have 40 KiB.
pub(super) const CAPABILITIES: usize = 64 << 10;
/// Maximum number of protocols, algorithms, features and specs each that a cloud may tell: ten
/// times the sizes that the largest known cloud offers.
pub(super) const CAPABILITY_ITEMS: usize = 256;
/// Maximum number of bytes of the name of a spec, as in the annotation `lb-spec`.
pub(super) const SPEC_NAME: usize = 63;
/// Maximum of a limit on numbers that a cloud may tell, and of the use of its quota. Further
/// than any cloud goes, and every number up to it is exact in a metric.
pub(super) const LIMIT: u64 = 1_000_000_000;
/// Maximum number of characters of a cloud's text in a log line or a message.
pub(super) const EXCERPT: usize = 200;
