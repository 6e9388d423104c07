//! A child process that cannot outlive this one.
//!
//! Each child is started as a shell that leaves a guard behind and then
//! becomes the program itself (same process id, so that signals and exit
//! statuses need no translation). The guard reads from a pipe that only we can
//! write to. When we end, however we end, the kernel closes our end; the guard
//! sees that, kills the program and removes its directory. There is no moment
//! at which the program runs unguarded.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, kill_process};

pub use rustix::process::Signal;

use crate::eventually;

/// Arguments: the pipe, a directory to remove (or nothing), the program and its arguments.
const GUARD: &str = r#"
exec 3<"$1" || exit 125
directory=$2
shift 2
{
    trap '' HUP INT TERM
    if ! read -r farewell <&3; then
        kill -KILL $$
        for attempt in 1 2 3 4 5; do
            [ -z "$directory" ] || rm -rf "$directory" && break
            sleep 0.1
        done
    fi
} </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-
"#;

/// How long a killed process may take to be gone before we stop waiting for it.
const DEATH: Duration = Duration::from_secs(5);

/// What to start.
#[derive(Debug)]
pub struct Program<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// The file to execute.
    pub path: &'a Path,
    pub arguments: Vec<OsString>,
    /// Environment variables on top of ours.
    pub environment: Vec<(OsString, OsString)>,
    /// Where its output goes.
    pub output: Output<'a>,
    /// A directory that goes when we are gone.
    pub remove: Option<&'a Path>,
}

/// Where the output of a child process goes.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// To this file. The process has no input and a process group of its own:
    /// Ctrl-C at our terminal does not reach it.
    Log(&'a Path),
    /// To where ours goes; input and process group are ours too.
    Inherited,
}

/// A running or ended child process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Option<PathBuf>,
    lifeline: PipeWriter,
    /// The guard opens this end through /proc, at a time of its own.
    _guards_end: PipeReader,
}

impl Process {
    /// Starts the program.
    ///
    /// # Errors
    /// The log file cannot be made, or there is no `/bin/sh`. A program that
    /// does not exist shows as an early exit with status 127.
    pub fn spawn(program: Program<'_>) -> Result<Self> {
        let (guards_end, lifeline) = std::io::pipe()?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", GUARD, "guard"])
            .arg(format!(
                "/proc/{}/fd/{}",
                std::process::id(),
                guards_end.as_raw_fd()
            ))
            .arg(program.remove.unwrap_or(Path::new("")))
            .arg(program.path)
            .args(program.arguments)
            .envs(program.environment);
        let mut log = None;
        if let Output::Log(path) = program.output {
            let file =
                File::create(path).with_context(|| format!("creating {}", path.display()))?;
            command
                .stdin(Stdio::null())
                .stdout(file.try_clone()?)
                .stderr(file)
                .process_group(0);
            log = Some(path.to_owned());
        }
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", program.name))?;
        Ok(Self {
            name: program.name.to_owned(),
            child,
            log,
            lifeline,
            _guards_end: guards_end,
        })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if it has ended.
    ///
    /// # Errors
    /// The kernel was asked and refused.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.dismiss_guard();
        }
        Ok(status)
    }

    /// Ok while it runs.
    ///
    /// # Errors
    /// It has ended: the message has its exit status and the end of its log.
    pub fn check_running(&mut self) -> Result<()> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => Err(anyhow!(
                "{} ended with {status}{}",
                self.name,
                self.log_tail()
            )),
        }
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// It still ran at the deadline.
    pub async fn wait_exit(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        eventually(&what, deadline, async || self.exit_status()).await
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// The process has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // After an exit that we have seen, the process id may be another's.
        if let Some(status) = self.exit_status()? {
            bail!("{} has ended with {status}, no {signal:?} sent", self.name);
        }
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("sending {signal:?} to {}", self.name))
    }

    /// Kills it, and waits until it is gone. Blocks for some milliseconds.
    pub fn kill(&mut self) {
        let end = Instant::now() + DEATH;
        let _already_dead = self.child.kill();
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > end {
                tracing::warn!(process = self.name, "killed, but still there");
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.dismiss_guard();
    }

    /// The last lines of the log, on lines of their own; empty without a log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let Some(path) = &self.log else {
            return String::new();
        };
        let bytes = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(20)..];
        format!("; the end of its log:\n{}", tail.join("\n"))
    }

    /// Lets the guard go without killing: the process id may soon be another's.
    fn dismiss_guard(&mut self) {
        let _guard_may_be_gone = self.lifeline.write_all(b"farewell\n");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests;
