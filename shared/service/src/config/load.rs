//! Reads a TOML file, and environment variables that override it. Errors name the value that is wrong.

use std::{
    collections::HashMap,
    fmt,
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

use config::Source;
use serde::de::DeserializeOwned;

use super::placeholder;

/// Environment variables begin with this. `__` separates the levels: `SCENECAST_BUS__URL` is `url` in `[bus]`.
const ENV_PREFIX: &str = "SCENECAST";

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
    /// A value is missing, has the wrong type, or has a name that isn't known.
    #[error(transparent)]
    Deserialize(#[from] config::ConfigError),
    /// A value has the right type, but can't be used.
    #[error("{place}: {requirement}")]
    Value {
        /// The name of the value, such as `bus.url`.
        place: String,
        /// What the value has to be, or why it can't be used.
        requirement: String,
    },
    /// The exporter of traces can't be built.
    #[error("telemetry.otlp_endpoint: {0}")]
    TraceExporter(#[source] opentelemetry_otlp::ExporterBuildError),
}

impl ConfigError {
    /// The value at `place` can't be used; `requirement` says what it has to be. The text is `place: requirement`.
    pub fn at(place: impl Display, requirement: impl Display) -> Self {
        Self::Value { place: place.to_string(), requirement: requirement.to_string() }
    }
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

/// A configuration with rules that its types alone can't express.
///
/// See docs/decisions/056-a-setting-is-refused-or-warned-of.md.
pub trait Validate: DeserializeOwned {
    /// Checks values that depend on each other. Names the first that is wrong.
    fn validate(&self) -> Result<(), ConfigError>;

    /// The values that can be used and are probably mistakes.
    fn warnings(&self) -> Vec<ConfigWarning> {
        vec![]
    }
}

/// A configuration file that was read, but not checked.
#[derive(Debug)]
pub struct ConfigFile {
    sections: toml::Table,
}

impl ConfigFile {
    /// Reads a TOML file. Fails if it can't be read, or isn't TOML.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        // The `config` crate gets what was parsed here, because its own error would show the line, and that may be a
        // secret.
        match toml::from_str(&text) {
            Ok(sections) => Ok(Self { sections }),
            Err(error) => {
                let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
                Err(ConfigError::Syntax { path: path.to_owned(), line, message: error.message().to_owned() })
            }
        }
    }

    /// Whether both files have the same value at this place, such as `["bus", "url"]`, or both have none.
    pub fn has_same_value(&self, other: &Self, place: &[&str]) -> bool {
        self.value(place) == other.value(place)
    }

    fn value(&self, place: &[&str]) -> Option<&toml::Value> {
        let (first, rest) = place.split_first()?;
        let mut value = self.sections.get(*first)?;
        for name in rest {
            value = value.get(*name)?;
        }
        Some(value)
    }

    /// The file for the `config` crate. It rounds a fraction where a whole number is wanted, so that 0.5 seconds would
    /// be 1. From a text it reads a number only if the text is one, so it gets fractions as texts.
    fn without_fractions(&self) -> String {
        let mut sections = self.sections.clone();
        sections.iter_mut().for_each(|(_, value)| fractions_as_texts(value));
        sections.to_string()
    }

    /// The names at the top level of the file: its sections, and values that are in no section.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }
}

fn fractions_as_texts(value: &mut toml::Value) {
    match value {
        toml::Value::Float(fraction) => *value = toml::Value::String(fraction.to_string()),
        toml::Value::Array(values) => values.iter_mut().for_each(fractions_as_texts),
        toml::Value::Table(values) => values.iter_mut().for_each(|(_, value)| fractions_as_texts(value)),
        _ => {}
    }
}

/// Reads the configuration from `file`, if there is one, and from the variables in `env`, which override it. Variables
/// without our prefix are ignored.
pub fn load<T: Validate>(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let file = file.map(ConfigFile::read).transpose()?;
    load_with_file(file.as_ref(), env)
}

/// As [`load`], with a file that was read before.
pub fn load_with_file<T: Validate>(
    file: Option<&ConfigFile>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut builder = config::Config::builder();
    if let Some(file) = file {
        builder = builder.add_source(config::File::from_str(&file.without_fractions(), config::FileFormat::Toml));
    }
    let env: HashMap<_, _> = env.into_iter().filter(|(name, _)| !is_reserved(name)).collect();
    let environment = config::Environment::with_prefix(ENV_PREFIX)
        .prefix_separator("_")
        .separator("__")
        .ignore_empty(true)
        .source(Some(env));
    let settings = builder.add_source(environment).build()?;
    if let Some(place) = placeholder::find(&settings.collect()?) {
        // The value isn't shown: it may hold a part of a secret.
        let requirement = "still has the placeholder of a template or an example; put the real value in its place";
        return Err(ConfigError::at(place, requirement));
    }
    let config: T = settings.try_deserialize()?;
    config.validate()?;
    Ok(config)
}

/// Whether a variable with our prefix is no configuration value: `SCENECAST_CONFIG` names the file, and Kubernetes sets
/// variables for each Service whose name begins with `scenecast`.
fn is_reserved(name: &str) -> bool {
    let is_for_service = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"]
        .iter()
        .any(|part| name.split_once(part).is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('_')));
    name == "SCENECAST_CONFIG" || (is_for_service && !name.contains("__"))
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
