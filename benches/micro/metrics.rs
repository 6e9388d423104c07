//! The page of `/metrics`, with so many clouds that it has 2,000 series.

use std::time::Duration;

use criterion::{Criterion, Throughput};
use my_cloud_controller_manager::plan::naming::CloudName;
use my_cloud_controller_manager::telemetry::{Metrics, MetricsFormat};

const SERIES: usize = 2_000;

pub fn bench(criterion: &mut Criterion) {
    let (mut metrics, mut clouds) = (with_clouds(1), 1);
    while count(&metrics) < SERIES {
        clouds += 1;
        metrics = with_clouds(clouds);
    }
    let series = count(&metrics);
    let mut group = criterion.benchmark_group("metrics");
    group.throughput(Throughput::Elements(series as u64));
    for format in [MetricsFormat::Text, MetricsFormat::OpenMetrics] {
        group.bench_function(format!("{format:?}"), |bencher| {
            bencher.iter(|| metrics.gather(format));
        });
    }
    group.finish();
}

/// The metrics of a leader that has called each of so many clouds.
fn with_clouds(clouds: usize) -> Metrics {
    let names: Vec<CloudName> = (1..=clouds)
        .map(|number| CloudName::new(format!("cloud{number}")))
        .collect();
    let Ok(metrics) = Metrics::new(&names, "my-cloud-controller-manager") else {
        panic!("the metrics have distinct names");
    };
    metrics.leader(true);
    for name in &names {
        for operation in ["create", "update", "delete", "query", "list"] {
            let took = Duration::from_millis(50);
            metrics
                .cloud
                .answered(name.as_str(), operation, "200", took);
        }
    }
    metrics
}

fn count(metrics: &Metrics) -> usize {
    let page = metrics.gather(MetricsFormat::Text);
    let lines = page.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .count()
}
