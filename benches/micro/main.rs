//! `make bench-micro`: the pure parts that run once for each Service, or for each scrape.

mod annotations;
mod metrics;
mod plans;
mod service;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group! {
    name = micro;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = plans::bench, annotations::bench, metrics::bench
}
criterion_main!(micro);
