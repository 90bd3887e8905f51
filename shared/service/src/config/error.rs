//! Why a configuration can't be used, and what is probably wrong with one that can.

use std::{fmt, fmt::Display, io, path::PathBuf};

/// Why the configuration can't be used. The text names the value and where it came from, and never shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        /// Mostly that it doesn't exist, or may not be read.
        #[source]
        source: io::Error,
    },
    /// The file isn't TOML. The parser's error is not kept as the cause: it shows the line, and that may be a secret.
    #[error("{}, line {line}: {message}", path.display())]
    Syntax {
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        message: String,
    },
    /// A value is missing, can't be used, or has a name that isn't known.
    #[error("{place}: {requirement}")]
    Value {
        /// The name of the value, such as `bus.url`.
        place: String,
        /// What the value has to be, or why it can't be used.
        requirement: String,
    },
    /// Several of them, in the order in which they were found.
    #[error("{}", each_text(.0).join("; "))]
    Several(Vec<ConfigError>),
    /// The exporter of traces can't be built. The text is not the cause's, which shows the address and a password in it.
    #[error("telemetry.otlp_endpoint: traces can't be sent to such an address")]
    TraceExporter(#[source] opentelemetry_otlp::ExporterBuildError),
}

impl ConfigError {
    /// The value at `place` can't be used; `requirement` says what it has to be. The text is `place: requirement`.
    pub fn at(place: impl Display, requirement: impl Display) -> Self {
        Self::Value { place: place.to_string(), requirement: requirement.to_string() }
    }

    /// Fails with all errors of these checks.
    pub fn all(checks: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        let errors = checks.into_iter().filter_map(Result::err).flat_map(Self::into_each);
        Self::of(errors.collect()).map_or(Ok(()), Err)
    }

    /// These errors as one; `None` if there are none.
    pub(super) fn of(mut errors: Vec<Self>) -> Option<Self> {
        match errors.len() {
            0 => None,
            1 => errors.pop(),
            _ => Some(Self::Several(errors)),
        }
    }

    /// The errors of which this one consists.
    pub(super) fn into_each(self) -> Vec<Self> {
        match self {
            Self::Several(errors) => errors,
            one => vec![one],
        }
    }

    /// The text of each error of which this one consists.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Several(errors) => each_text(errors),
            one => vec![one.to_string()],
        }
    }
}

fn each_text(errors: &[ConfigError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// A value that can be used, and is probably a mistake or less safe than it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    /// The name of the value, such as `accounts.demo.token`.
    pub place: String,
    /// What is wrong with it.
    pub problem: String,
}

impl ConfigWarning {
    /// The value at `place` has this problem. The text is `place: problem`.
    pub fn at(place: impl Display, problem: impl Display) -> Self {
        Self { place: place.to_string(), problem: problem.to_string() }
    }

    /// Logs it.
    pub fn log(&self) {
        tracing::warn!(
            setting = self.place,
            problem = self.problem,
            "the configuration can be used, but a setting is probably a mistake"
        );
    }
}

impl Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}
