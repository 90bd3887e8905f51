//! Keeps everything that is logged while the tests of a process run, so that they can search it.

use std::{
    io::{self, Write},
    sync::{Mutex, Once},
};

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// What this process has logged.
#[derive(Debug)]
pub struct KeptLog;

impl KeptLog {
    /// Starts to keep the log lines that this filter of `tracing` lets pass, and to show all of level `info` with the
    /// output of their test. Only the first call has an effect.
    pub fn start(filter: &str) {
        static BEGUN: Once = Once::new();
        BEGUN.call_once(|| {
            let kept = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| KeptLog);
            let shown = tracing_subscriber::fmt::layer().with_test_writer();
            let layers =
                kept.with_filter(EnvFilter::new(filter)).and_then(shown.with_filter(EnvFilter::new("info,fred=error")));
            tracing_subscriber::registry().with(layers).init();
        });
    }

    /// All lines so far.
    pub fn text() -> String {
        String::from_utf8_lossy(&WRITTEN.lock().expect("no test panics while it writes a line")).into_owned()
    }

    /// The lines so far that contain all of these parts.
    pub fn lines_with(parts: &[&str]) -> Vec<String> {
        let has_all = |line: &&str| parts.iter().all(|part| line.contains(part));
        Self::text().lines().filter(has_all).map(str::to_owned).collect()
    }
}

impl Write for KeptLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        WRITTEN.lock().expect("no test panics while it writes a line").extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
