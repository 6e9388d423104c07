//! The lines between the program and standard error, which a thread writes. A task never
//! waits for the reader of the log: a container runtime that has stopped would stop the
//! leader too. What finds no place is dropped and counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;

/// Maximum size of all waiting lines in bytes: some thousand lines, which a reader that
/// pauses for a moment needs.
const WAITING_LIMIT: usize = 1 << 20;
/// Size of one write in bytes. A second buffer of this size is in use during a write.
const WRITE_SIZE: usize = 64 << 10;
/// Capacity of the queue that is kept after a storm of lines.
const KEPT_CAPACITY: usize = 64 << 10;
/// Stack of the thread, which only copies bytes.
const STACK_SIZE: usize = 128 << 10;
/// Maximum time for the last lines of the process.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// The queue of the installed subscriber, for the end of the process.
static INSTALLED: OnceLock<LineQueue> = OnceLock::new();

/// A bounded queue of whole lines. Clones share it.
#[derive(Clone)]
pub(super) struct LineQueue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Notified when a line was added.
    added: Condvar,
    /// Notified when all lines are written.
    idle: Condvar,
    dropped: IntCounter,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<u8>,
    is_writing: bool,
}

impl LineQueue {
    /// Starts the thread that writes the lines to `output`. Lines that find no place count
    /// as `dropped`.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        dropped: IntCounter,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            added: Condvar::new(),
            idle: Condvar::new(),
            dropped,
        });
        let writer = shared.clone();
        thread::Builder::new()
            .name("log-writer".to_owned())
            .stack_size(STACK_SIZE)
            .spawn(move || writer.write_to(output))?;
        Ok(Self(shared))
    }

    /// Makes [`flush`] and [`last_words`] use this queue, and writes panics through it.
    pub(super) fn install(&self) {
        if INSTALLED.set(self.clone()).is_ok() {
            std::panic::set_hook(Box::new(report_panic));
        }
    }

    /// Adds a line, or drops it if too many wait.
    fn add(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if state.waiting.len() + line.len() > WAITING_LIMIT {
            self.0.dropped.inc();
            return;
        }
        state.waiting.extend(line);
        self.0.added.notify_one();
    }

    /// Adds a line that must not be dropped: there is none after it.
    fn add_last(&self, line: &[u8]) {
        self.0.state.lock().waiting.extend(line);
        self.0.added.notify_one();
    }

    /// Waits until all lines are written, for this time at most.
    fn flush(&self, limit: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.waiting.is_empty();
        let mut state = self.0.state.lock();
        // The process ends: there is nothing left to do about lines that nobody reads.
        let _ = self.0.idle.wait_while_for(&mut state, is_busy, limit);
    }
}

impl Shared {
    fn write_to(&self, mut output: impl Write) {
        let mut chunk = Vec::new();
        loop {
            self.take(&mut chunk);
            // There is no other place for a failure to write the log.
            let _ = output.write_all(&chunk).and_then(|()| output.flush());
        }
    }

    /// Waits for lines and takes some of them. The lines that were taken before count as
    /// written.
    fn take(&self, chunk: &mut Vec<u8>) {
        chunk.clear();
        let mut state = self.state.lock();
        state.is_writing = false;
        while state.waiting.is_empty() {
            self.idle.notify_all();
            if state.waiting.capacity() > KEPT_CAPACITY {
                state.waiting = VecDeque::new();
            }
            self.added.wait(&mut state);
        }
        let size = state.waiting.len().min(WRITE_SIZE);
        chunk.extend(state.waiting.drain(..size));
        state.is_writing = true;
    }
}

/// Each event of tracing is one call of `write`.
impl Write for LineQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until all log lines so far are written, for one second at most. For the end of the
/// process.
pub fn flush() {
    if let Some(queue) = INSTALLED.get() {
        queue.flush(FLUSH_LIMIT);
    }
}

/// Writes a line on standard error after all log lines, and waits for it as [`flush`] does.
pub fn last_words(line: &str) {
    match INSTALLED.get() {
        Some(queue) => {
            queue.add_last(format!("{line}\n").as_bytes());
            queue.flush(FLUSH_LIMIT);
        }
        None => eprintln!("{line}"),
    }
}

/// A panic ends a release build, and a task otherwise. The hook of the standard library
/// would wait for the reader of the log.
fn report_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let backtrace = std::backtrace::Backtrace::capture();
    last_words(&match backtrace.status() {
        std::backtrace::BacktraceStatus::Captured => {
            format!("thread '{name}' {panic}\n{backtrace}")
        }
        _ => format!("thread '{name}' {panic}"),
    });
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// An output that takes each write only when the test says so.
    struct Reader {
        allowed: Receiver<()>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // At the end of the test nobody waits any more.
            let _ = self.allowed.recv();
            self.read.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue() -> (LineQueue, Sender<()>, Arc<Mutex<Vec<u8>>>, IntCounter) {
        let (allow, allowed) = channel();
        let read = Arc::<Mutex<Vec<u8>>>::default();
        let reader = Reader {
            allowed,
            read: read.clone(),
        };
        let dropped = IntCounter::new("dropped", "dropped").expect("a counter");
        let queue = LineQueue::start(reader, dropped.clone()).expect("a thread");
        (queue, allow, read, dropped)
    }

    #[test]
    fn a_reader_that_reads_nothing_costs_lines_and_no_time() {
        let (queue, allow, read, dropped) = queue();
        let line = vec![b'x'; 1024];
        // More than all buffers hold: this would never end if it waited.
        let lines = 4 * WAITING_LIMIT / line.len();
        for _ in 0..lines {
            queue.add(&line);
        }
        assert!(dropped.get() > 0);
        assert!(queue.0.state.lock().waiting.len() <= WAITING_LIMIT);
        queue.flush(Duration::from_millis(1));
        queue.add_last(b"last\n");
        drop(allow);
        queue.flush(Duration::from_secs(60));
        let read = read.lock();
        let written = lines - usize::try_from(dropped.get()).expect("a number");
        assert_eq!(
            read.len(),
            written * line.len() + 5,
            "each line is written or counted"
        );
        assert!(read.ends_with(b"last\n"));
    }

    #[test]
    fn a_flush_waits_for_the_lines_before_it() {
        let (queue, allow, read, dropped) = queue();
        queue.add(b"first\n");
        queue.add(b"second\n");
        drop(allow);
        queue.flush(Duration::from_secs(60));
        assert_eq!(*read.lock(), b"first\nsecond\n");
        assert_eq!(dropped.get(), 0);
    }
}
