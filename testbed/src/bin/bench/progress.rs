//! What the terminal shows while a scenario runs.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line with a clock and a count, for as long as this value lives. Nothing is shown
/// unless standard error is a terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// Of so many steps; 0 for a wait without a count.
    pub fn new(what: &str, steps: usize) -> Self {
        if !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let (bar, template) = match steps {
            0 => (
                ProgressBar::new_spinner(),
                "   {spinner} {elapsed} {wide_msg}",
            ),
            steps => (
                ProgressBar::new(steps as u64),
                "   {spinner} {elapsed} {bar:30} {pos}/{len} {wide_msg}",
            ),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        // Seldom: it shares the processors with what is measured.
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    pub fn at(&self, step: usize) {
        self.0.set_position(step as u64);
    }

    pub fn advance(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
