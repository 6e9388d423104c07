//! A report on the terminal.

use std::time::Duration;

use crate::report::{Figure, Report};

const HEADS: [&str; 4] = ["", "measured", "ideal", "times the ideal"];

/// Prints a report.
pub fn print(report: &Report, took: Duration) {
    let Report {
        scenario,
        services,
        latency_ms,
        places,
        ..
    } = report;
    println!(
        "{scenario}: {services} Services, {latency_ms} ms and {places} places at each cloud \
         (took {:.0} s)",
        took.as_secs_f64()
    );
    let rows: Vec<[String; 4]> = report.figures.iter().map(row).collect();
    let mut widths = HEADS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    line(&HEADS.map(str::to_owned), &widths);
    for row in &rows {
        line(row, &widths);
    }
    println!();
}

fn row(figure: &Figure) -> [String; 4] {
    let unit = figure.unit.as_str();
    let with_unit = |value: f64| format!("{} {unit}", number(value)).trim_end().to_owned();
    let times = figure.ideal.map(|ideal| figure.value / ideal);
    [
        figure.name.clone(),
        with_unit(figure.value),
        figure.ideal.map(with_unit).unwrap_or_default(),
        times.map(number).unwrap_or_default(),
    ]
}

/// Names to the left, numbers to the right.
fn line(cells: &[String; 4], widths: &[usize; 4]) {
    let [name, measured, ideal, times] = cells;
    let [first, second, third, fourth] = widths;
    let text = format!("   {name:<first$}  {measured:>second$}  {ideal:>third$}  {times:>fourth$}");
    println!("{}", text.trim_end());
}

/// Three digits, or all before the point.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 99.95 || value == 0.0 {
        format!("{value:.0}")
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else if size >= 0.9995 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_has_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.0123, "0.012"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (9.999, "10.0"),
            (99.96, "100"),
            (1234.5, "1234"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected, "{value}");
        }
    }
}
