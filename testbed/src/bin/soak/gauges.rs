//! The sizes of the processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// What replicas are run with so that their resident memory is what they use, as with musl's
/// allocator, which the image has: each buffer of this many bytes or more goes back to the kernel
/// at once. Otherwise glibc raises that size to the largest buffer that was ever freed, and each
/// of its arenas keeps twice as much: after the pages of 8 MB of a hostile cloud a leader that
/// used 3 MiB held 55 MiB more, taken in steps at any time. A leak could not be told from them.
pub const ALLOCATOR: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");

/// More, at any moment, is too much whatever happened: the memory limit of `deploy/`. The answers
/// of a hostile cloud take a debug build to 70 MiB for a moment.
const MOST_MEMORY: u64 = 128 * 1024;
const MOST_FILES: usize = 128;

/// More than this is growth, in rounds of any kind. What varies are connections, and the Events
/// that are remembered for six minutes: in rounds of trouble only, a leader went from 38 to 40
/// MiB, and one that leaked 80 KiB with each answer that does not match the API grew by 1 MiB in
/// each round.
const MEMORY_SLACK: u64 = 8 * 1024;
/// Connections: after rounds of trouble a leader had 27 to 43 files, in no order.
const FILES_SLACK: usize = 20;

/// A shorter soak has too few rounds to compare.
const SHORT: Duration = Duration::from_secs(8 * 60);
/// Each replica has at least so many measurements.
const FEWEST: usize = 4;

/// How large a process is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Resident memory in KiB.
    memory: u64,
    files: usize,
}

impl Size {
    /// Of a process, now.
    ///
    /// # Errors
    /// It has ended, or is larger than it ever needs to be.
    pub fn of(process: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let kib = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            let number = value.and_then(|rest| rest.split_whitespace().next());
            anyhow::Ok(number.context(name.to_owned())?.parse::<u64>()?)
        };
        let size = Self {
            memory: kib("VmRSS:")?,
            files: std::fs::read_dir(format!("/proc/{process}/fd"))?.count(),
        };
        let most = kib("VmHWM:")?;
        ensure!(
            most <= MOST_MEMORY && size.files <= MOST_FILES,
            "process {process}: {size}, {} MiB at most",
            most / 1024
        );
        Ok(size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, files } = self;
        write!(formatter, "{} MiB {files} files", memory / 1024)
    }
}

/// A process in one role: a standby that comes to lead opens connections to the clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub process: u32,
    pub leads: bool,
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = if self.leads { "leader" } else { "standby" };
        write!(formatter, "process {} as a {role}", self.process)
    }
}

/// The sizes of undisturbed processes, at the end of each round.
#[derive(Default)]
pub struct Growth(BTreeMap<Subject, Vec<Size>>);

impl Growth {
    /// Notes the sizes at the end of a round.
    pub fn note(&mut self, sizes: &BTreeMap<Subject, Size>) {
        for (subject, size) in sizes {
            self.0.entry(*subject).or_default().push(*size);
        }
    }

    /// Prints the growth, and checks it unless the soak was too short.
    ///
    /// # Errors
    /// A process has grown, or there are too few measurements.
    pub fn check(&self, soak: Duration) -> Result<()> {
        if soak < SHORT {
            println!("too short to measure whether processes grow");
            return Ok(());
        }
        let measured = self.0.iter().filter(|(_, sizes)| sizes.len() >= FEWEST);
        let processes = measured.clone().map(|(subject, _)| subject.process);
        ensure!(
            processes.collect::<BTreeSet<_>>().len() >= 3,
            "fewer than three processes were seen in {FEWEST} rounds"
        );
        for (subject, sizes) in measured {
            // A single measurement varies: connections come and go.
            let part = sizes.len().div_ceil(3);
            let (first, last) = (median(&sizes[..part]), median(&sizes[sizes.len() - part..]));
            println!("{subject}: from {first} to {last}, {} rounds", sizes.len());
            ensure!(
                last.memory <= first.memory + MEMORY_SLACK
                    && last.files <= first.files + FILES_SLACK,
                "{subject} has grown from {first} to {last}"
            );
        }
        Ok(())
    }
}

/// Of at least one.
fn median(sizes: &[Size]) -> Size {
    let mut memory: Vec<u64> = sizes.iter().map(|size| size.memory).collect();
    let mut files: Vec<usize> = sizes.iter().map(|size| size.files).collect();
    memory.sort_unstable();
    files.sort_unstable();
    Size {
        memory: memory[memory.len() / 2],
        files: files[files.len() / 2],
    }
}
