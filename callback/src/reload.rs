//! Takes over accounts, mini programs and API keys from the configuration file while the process runs. Other changes
//! need a restart. A file that can't be used changes nothing.
//!
//! See docs/decisions/029-a-request-keeps-its-accounts.md.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use scenecast_metrics::Metrics;
use scenecast_service::{
    config::{ConfigFile, ConfigWarning, Validate, load_with_file},
    process::environment,
};
use tokio::signal::unix::Signal;

use crate::{config::CallbackConfig, metrics::ReloadMetrics, process::AccountReplacer};

/// How often the file is read. We compare its content, because Kubernetes swaps links and sets no time.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The sections that are taken over.
const TAKEN_OVER: [&str; 3] = ["accounts", "mini_programs", "api_keys"];

pub struct ConfigReloader {
    path: PathBuf,
    /// The file in use; `None` if it was gone when the process read it for the second time.
    used: Option<ConfigFile>,
    /// The content that was read last, valid or not.
    seen: String,
    replacer: AccountReplacer,
    metrics: ReloadMetrics,
    hangup: Signal,
}

impl ConfigReloader {
    /// Watches the file with which the process was started. `hangup` makes it read the file at once.
    pub fn new(path: PathBuf, hangup: Signal, replacer: AccountReplacer, metrics: &Metrics) -> Self {
        Self {
            seen: content(&path),
            used: ConfigFile::read(&path).ok(),
            path,
            replacer,
            metrics: ReloadMetrics::new(metrics),
            hangup,
        }
    }

    /// Runs for as long as the process does. SIGHUP makes it read the file at once.
    pub async fn run(mut self) {
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        let mut unconfirmed = None;
        loop {
            let by_signal = tokio::select! {
                _ = poll.tick() => false,
                _ = self.hangup.recv() => true,
            };
            let content = content(&self.path);
            if content == self.seen {
                unconfirmed = None;
            } else if by_signal || unconfirmed.as_ref() == Some(&content) {
                unconfirmed = None;
                self.seen = content;
                self.take_over();
            } else {
                // The file may be half written, and half of a file can be a valid one with fewer accounts. So it has to
                // have the same content twice.
                unconfirmed = Some(content);
            }
        }
    }

    fn take_over(&mut self) {
        let read = ConfigFile::read(&self.path).and_then(|file| {
            let config: CallbackConfig = load_with_file(Some(&file), environment())?;
            Ok((file, config))
        });
        let (file, config) = match read {
            Ok(read) => read,
            Err(error) => {
                self.metrics.errors.inc();
                self.metrics.last_successful.set(0);
                tracing::error!(%error, "the changed configuration can't be used; the old one stays in use");
                return;
            }
        };
        let is_same = |place: &[&str]| self.used.as_ref().is_some_and(|used| used.has_same_value(&file, place));
        let sections: BTreeSet<_> = self.used.iter().chain([&file]).flat_map(ConfigFile::sections).collect();
        for section in sections.into_iter().filter(|section| !TAKEN_OVER.contains(section) && !is_same(&[section])) {
            tracing::warn!(
                section,
                "this section of the configuration has changed and takes effect only after a restart of the pod"
            );
        }
        config.warnings().iter().for_each(ConfigWarning::log);
        self.replacer.replace(&config, |section, name| is_same(&[section, name.as_str()]));
        self.used = Some(file);
        self.metrics.reloads.inc();
        self.metrics.last_successful.set(1);
    }
}

/// The content of the file. The error of a file that can't be read stands in for its content.
fn content(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| format!("\0{error}"))
}
