//! Keeps what is logged while tests run, so that they can search it.

use std::{
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex, MutexGuard, Once},
};

use tracing::{Dispatch, Subscriber, subscriber::NoSubscriber};
use tracing_subscriber::{EnvFilter, Layer, fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

static OF_PROCESS: LazyLock<LogText> = LazyLock::new(LogText::default);

/// What this process has logged.
#[derive(Debug)]
pub struct KeptLog;

impl KeptLog {
    /// Starts to keep the log lines that this filter of `tracing` lets pass, and to show all of level `info` with the
    /// output of their test. Only the first call has an effect.
    pub fn start(filter: &str) {
        static BEGUN: Once = Once::new();
        BEGUN.call_once(|| {
            let kept = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(OF_PROCESS.clone());
            let shown = tracing_subscriber::fmt::layer().with_test_writer();
            let layers =
                kept.with_filter(EnvFilter::new(filter)).and_then(shown.with_filter(EnvFilter::new("info,fred=error")));
            tracing_subscriber::registry().with(layers).init();
        });
    }

    /// All lines so far.
    pub fn text() -> String {
        OF_PROCESS.text()
    }

    /// The lines so far that contain all of these parts.
    pub fn lines_with(parts: &[&str]) -> Vec<String> {
        OF_PROCESS.lines_with(parts)
    }
}

/// What was logged while [`LogText::subscriber`] was the subscriber of a thread, or written otherwise. Clones are the same
/// text.
#[derive(Debug, Clone, Default)]
pub struct LogText(Arc<Mutex<Vec<u8>>>);

impl LogText {
    /// A subscriber of `tracing` that adds all lines to this text, from level `info`.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        // Of a single subscriber `tracing` takes for granted that all threads have it. A thread without one that reaches a
        // log line first would silence the line for this one.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));
        LazyLock::force(&ANOTHER);
        tracing_subscriber::fmt().with_ansi(false).with_writer(self.clone()).finish()
    }

    /// All lines so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// The lines so far that contain all of these parts.
    pub fn lines_with(&self, parts: &[&str]) -> Vec<String> {
        let has_all = |line: &&str| parts.iter().all(|part| line.contains(part));
        self.text().lines().filter(has_all).map(str::to_owned).collect()
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().expect("no test panics while it writes a line")
    }
}

impl Write for LogText {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.bytes().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogText {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
