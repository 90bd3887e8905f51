//! Accounts, mini programs and API keys are taken over while the process runs, when its configuration
//! file changes. What else changes takes a restart; a file that can't be used changes nothing.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use prometheus::IntCounter;
use scenecast_shared::{
    config::{File, load_over},
    process::environment,
    telemetry::Metrics,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{config::Config, process::Replacing};

/// How often the file is looked at. By its content: Kubernetes swaps links, and sets no time.
const EVERY: Duration = Duration::from_secs(2);
/// What is taken over.
const TAKEN_OVER: [&str; 3] = ["accounts", "mini_programs", "api_keys"];

/// Follows one file.
pub struct Reload {
    path: PathBuf,
    /// What is in use, unless it was gone as soon as it was read.
    used: Option<File>,
    /// What was read last, good or bad.
    seen: String,
    replacing: Replacing,
    reloads: IntCounter,
    errors: IntCounter,
}

impl Reload {
    /// Follows the file that the process was started with.
    pub fn new(path: PathBuf, replacing: Replacing, metrics: &Metrics) -> Self {
        Self {
            seen: content(&path),
            used: File::read(&path).ok(),
            path,
            replacing,
            reloads: metrics.counter("config_reloads_total", "Times that a changed configuration was taken over."),
            errors: metrics.counter("config_reload_errors_total", "Times that a changed configuration was refused."),
        }
    }

    /// Goes on for as long as the process does. SIGHUP has it look at once.
    pub async fn run(mut self) {
        let mut hangup = signal(SignalKind::hangup()).expect("a process may handle SIGHUP");
        let mut looks = tokio::time::interval(EVERY);
        let mut half_written = None;
        loop {
            let asked = tokio::select! {
                _ = looks.tick() => false,
                _ = hangup.recv() => true,
            };
            let content = content(&self.path);
            if content == self.seen {
                half_written = None;
            } else if asked || half_written.as_ref() == Some(&content) {
                half_written = None;
                self.seen = content;
                self.take_over();
            } else {
                // Whoever writes it may not be done: half of a file can be a good one with fewer accounts.
                half_written = Some(content);
            }
        }
    }

    fn take_over(&mut self) {
        let read = File::read(&self.path).and_then(|file| {
            let config: Config = load_over(Some(&file), environment())?;
            Ok((file, config))
        });
        let (file, config) = match read {
            Ok(read) => read,
            Err(error) => {
                self.errors.inc();
                tracing::error!(%error, "the changed configuration can't be used; the old one stays in use");
                return;
            }
        };
        let same = |place: &[&str]| self.used.as_ref().is_some_and(|used| used.same(&file, place));
        let sections: BTreeSet<_> = self.used.iter().chain([&file]).flat_map(File::sections).collect();
        for section in sections.into_iter().filter(|section| !TAKEN_OVER.contains(section) && !same(&[section])) {
            tracing::warn!(section, "this change of the configuration takes a restart");
        }
        self.replacing.replace(&config.into(), |section, name| same(&[section, name.as_str()]));
        self.used = Some(file);
        self.reloads.inc();
    }
}

/// What is there, in a form that can be compared; a file that can't be read is something else, too.
fn content(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| format!("\0{error}"))
}
