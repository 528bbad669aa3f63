use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of lines that wait for a slow reader; what comes beyond is dropped.
/// Some four thousand lines: a pause of the reader, not its absence.
const PENDING_BYTES_MAX: usize = 1024 * 1024;

/// How long the writer lets lines gather once the first has come. A wake-up and
/// a write for each line would cost more than making the line.
const GATHER: Duration = Duration::from_millis(2);

/// How long the end of a process waits for a reader.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(1);

/// How long the writer waits when a terminal shared with another program says
/// that it would block.
const WOULD_BLOCK_PAUSE: Duration = Duration::from_millis(5);

/// Where lines go: a buffer that a thread of its own writes out.
#[derive(Debug, Clone)]
pub(super) struct Output {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    idle: Condvar,
    /// Since the start: dropped here, or refused by the sink.
    lost_lines: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<u8>,
    dropped_lines: u64,
    is_writing: bool,
    is_waiting: bool,
}

impl Output {
    /// Starts the thread that writes to `sink`, for the rest of the process.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::Builder::new()
            .name("fleet-log".to_owned())
            .spawn(move || writer.write_to(sink))?;
        Ok(Self { shared })
    }

    /// Makes a buffer that nothing writes out, for tests.
    #[cfg(test)]
    pub(super) fn unwritten() -> Self {
        Self {
            shared: Arc::default(),
        }
    }

    /// Takes the buffered lines.
    #[cfg(test)]
    pub(super) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.shared.lock().pending)).expect("lines are text")
    }

    /// Takes a line; drops and counts it when too much waits. Never blocks on
    /// the reader.
    pub(super) fn push(&self, line: &str) {
        let mut state = self.shared.lock();
        if state.pending.len() + line.len() > PENDING_BYTES_MAX {
            state.dropped_lines += 1;
            self.shared.lost_lines.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.pending.extend_from_slice(line.as_bytes());
        if std::mem::take(&mut state.is_waiting) {
            drop(state);
            self.shared.work.notify_one();
        }
    }

    /// Returns how many lines were dropped or could not be written.
    pub(super) fn lost_lines(&self) -> u64 {
        self.shared.lost_lines.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written, at most [`FLUSH_WAIT_MAX`].
    pub(super) fn flush(&self) {
        let until = Instant::now() + FLUSH_WAIT_MAX;
        let mut state = self.shared.lock();
        while !state.pending.is_empty() || state.is_writing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = match self.shared.idle.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut sink: impl Write) {
        let mut lines = Vec::new();
        loop {
            let dropped = self.take(&mut lines);
            let unwritten = write_all(&mut sink, &lines);
            let lost = unwritten.iter().filter(|byte| **byte == b'\n').count();
            self.lost_lines.fetch_add(lost as u64, Ordering::Relaxed);
            if dropped > 0 {
                write_all(&mut sink, note(dropped).as_bytes());
            }
            lines.clear();
        }
    }

    /// Waits for lines and swaps them for the empty buffer.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        state.is_writing = false;
        if state.pending.is_empty() {
            while state.pending.is_empty() {
                state.is_waiting = true;
                self.idle.notify_all();
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            state.is_waiting = false;
            drop(state);
            thread::sleep(GATHER);
            state = self.lock();
        }
        state.is_writing = true;
        std::mem::swap(&mut state.pending, lines);
        std::mem::take(&mut state.dropped_lines)
    }
}

/// Says in the style of JSON, which both kinds of readers understand, that
/// lines are missing.
fn note(dropped_lines: u64) -> String {
    let now = jiff::Timestamp::now();
    format!(
        "{{\"timestamp\":\"{now}\",\"level\":\"WARN\",\"target\":\"fleet::log\",\
         \"message\":\"log lines were dropped\",\"lines\":{dropped_lines}}}\n"
    )
}

/// Writes all bytes and returns what it could not write; gives up at an error, which a closed
/// or full stderr gives for ever: there is nowhere to tell it.
fn write_all<'a>(sink: &mut impl Write, mut bytes: &'a [u8]) -> &'a [u8] {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => break,
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::park_timeout(WOULD_BLOCK_PAUSE);
            }
            Err(_) => break,
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Says that a write arrived, and lets it through with a ticket.
    struct Gate {
        arrived: mpsc::Sender<()>,
        tickets: mpsc::Receiver<io::Result<()>>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.arrived.send(()).expect("the test holds the other end");
            self.tickets.recv().expect("the test holds the other end")?;
            self.written
                .send(bytes.to_vec())
                .expect("the test holds the other end");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Reader {
        arrivals: mpsc::Receiver<()>,
        ticket: mpsc::Sender<io::Result<()>>,
        read: mpsc::Receiver<Vec<u8>>,
    }

    fn gated() -> (Output, Reader) {
        let (arrived, arrivals) = mpsc::channel();
        let (ticket, tickets) = mpsc::channel();
        let (written, read) = mpsc::channel();
        let output = Output::start(Gate {
            arrived,
            tickets,
            written,
        })
        .expect("a thread");
        (
            output,
            Reader {
                arrivals,
                ticket,
                read,
            },
        )
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_no_time() {
        let (output, reader) = gated();
        output.push("first\n");
        reader
            .arrivals
            .recv()
            .expect("the writer is stuck in its first write");
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..3_000 {
            output.push(&line);
        }
        let next = || {
            reader.ticket.send(Ok(())).unwrap();
            String::from_utf8(reader.read.recv().expect("written")).expect("text")
        };
        assert_eq!(next(), "first\n");
        assert_eq!(next().lines().count(), PENDING_BYTES_MAX / 1024);
        assert_eq!(output.lost_lines(), 1_976);
        let note = next();
        assert!(
            note.contains("dropped") && note.contains("\"lines\":1976}"),
            "{note}"
        );
    }

    #[test]
    fn a_closed_stderr_stops_nothing() {
        let (output, reader) = gated();
        output.push("lost\n");
        reader
            .ticket
            .send(Err(io::ErrorKind::BrokenPipe.into()))
            .unwrap();
        output.flush();
        assert_eq!(output.lost_lines(), 1);
        output.push("next\n");
        reader.ticket.send(Ok(())).unwrap();
        assert_eq!(reader.read.recv().expect("written"), b"next\n");
    }

    #[test]
    fn flushing_waits_for_the_last_line() {
        let (output, reader) = gated();
        reader.ticket.send(Ok(())).unwrap();
        output.push("last\n");
        output.flush();
        assert_eq!(
            reader
                .read
                .try_recv()
                .expect("written before the flush returned"),
            b"last\n"
        );
    }
}
