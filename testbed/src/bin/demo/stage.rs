//! The output: headings, facts, tables, and progress.

use std::io::{IsTerminal, stderr, stdout};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use testbed::eventually;

const LABEL_WIDTH: usize = 24;
const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";

/// Where the demo is shown. Facts go to standard output, progress and failures
/// to standard error.
pub struct Stage {
    started: Instant,
    scene: Option<Scene>,
    scenes: u32,
    colours: bool,
}

struct Scene {
    title: String,
    started: Instant,
}

impl Stage {
    /// An empty stage; its clock starts.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            scene: None,
            scenes: 0,
            colours: stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    /// Begins a scene; the one before ends.
    pub fn open(&mut self, title: &str) {
        self.close();
        self.scenes += 1;
        let title = format!("{}. {title}", self.scenes);
        self.heading(&title);
        self.scene = Some(Scene {
            title,
            started: Instant::now(),
        });
    }

    /// A heading that opens no scene.
    pub fn heading(&self, text: &str) {
        println!("{}", self.paint(BOLD, text));
    }

    /// Ends the scene, and prints how long it took.
    pub fn close(&mut self) {
        if let Some(scene) = self.scene.take() {
            self.fact("scene took", seconds(scene.started.elapsed()));
            println!();
        }
    }

    /// Time since the start of the demo.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Prints one observation.
    pub fn fact(&self, label: &str, value: impl std::fmt::Display) {
        println!("   {label:<LABEL_WIDTH$} {value}");
    }

    /// Facts whose labels are wider than usual.
    pub fn facts(&self, facts: &[(&str, String)]) {
        let width = facts
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or_default();
        for (label, value) in facts {
            println!("   {label:<width$}   {value}");
        }
    }

    /// A line of its own.
    pub fn line(&self, text: &str) {
        println!("   {text}");
    }

    /// Columns as wide as they need to be, three blanks between them.
    pub fn table<const N: usize>(&self, heads: [&str; N], rows: &[[String; N]]) {
        let mut widths = heads.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        println!();
        self.row(&heads, &widths);
        for row in rows {
            self.row(&row.each_ref().map(String::as_str), &widths);
        }
        println!();
    }

    fn row(&self, cells: &[&str], widths: &[usize]) {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let gap = " ".repeat(width - cell.chars().count() + 3);
            let cell = match *cell {
                "yes" => self.paint(GREEN, cell),
                "no" => self.paint(RED, cell),
                _ => (*cell).to_owned(),
            };
            line += &(cell + &gap);
        }
        println!("   {}", line.trim_end());
    }

    /// Waits for a condition; on a terminal it is seen that we wait.
    ///
    /// # Errors
    /// The deadline passed: the message names `what`.
    pub async fn until<T>(
        &self,
        what: &str,
        deadline: Duration,
        probe: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let _progress = self.progress(what);
        eventually(what, deadline, probe).await
    }

    /// Shows what is waited for, as long as the value lives.
    pub fn progress(&self, what: &str) -> Progress {
        Progress::new(what)
    }

    /// Prints a problem beside the failure.
    pub fn complaint(&self, text: &str) {
        eprintln!("  {}", text.replace('\n', "\n    "));
    }

    /// Prints a failure and its causes.
    pub fn failed(&self, error: &anyhow::Error) {
        let whereabouts = match &self.scene {
            Some(scene) => format!("in scene {}", scene.title),
            None => "at the end".to_owned(),
        };
        eprintln!("\n{} {whereabouts}", self.paint(RED, "FAILED"));
        for (depth, cause) in error.chain().enumerate() {
            let indent = "  ".repeat(depth + 1);
            eprintln!(
                "{indent}{}",
                cause.to_string().replace('\n', &format!("\n{indent}"))
            );
        }
    }

    /// Prints that a signal ended the demo.
    pub fn interrupted(&self) {
        eprintln!("\nInterrupted; everything that was started is being ended.");
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{colour}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A line with a clock, for as long as this value lives.
pub struct Progress(ProgressBar);

impl Progress {
    /// Nothing is shown unless standard error is a terminal.
    fn new(what: &str) -> Self {
        let bar = if stderr().is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) =
            ProgressStyle::with_template("   {spinner} {elapsed} waiting for {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Such as `3.1 s`, or `0.042 s` below a tenth of a second.
pub fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.1 {
        format!("{seconds:.3} s")
    } else {
        format!("{seconds:.2} s")
    }
}
