//! From the annotations of a Service to its desired state.

use std::hint::black_box;

use criterion::Criterion;
use my_cloud_controller_manager::plan::annotation::{LB_BANDWIDTH, PROVIDER, describe_unknown};

use crate::service::{clouds, desired_of, service};

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("annotations");
    let clouds = clouds();
    let valid = service();
    group.bench_function("valid", |bencher| {
        bencher.iter(|| desired_of(black_box(&valid), &clouds));
    });
    let mut invalid = service();
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let wrong = [
        set(PROVIDER.name(), "cloud1,cloud3"),
        set(LB_BANDWIDTH.name(), "fast"),
    ];
    invalid.annotations.extend(wrong);
    group.bench_function("two invalid values", |bencher| {
        bencher.iter(|| desired_of(black_box(&invalid), &clouds));
    });
    let misspelt = service().annotations.into_keys();
    let misspelt: Vec<String> = misspelt.map(|name| name + "s").collect();
    group.bench_function("four misspelt names", |bencher| {
        bencher.iter(|| {
            describe_unknown(
                black_box(&misspelt).iter(),
                std::iter::empty(),
                "mycloud.com",
            )
        });
    });
    group.finish();
}
