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

    /// The same, where the value's place is inside this table.
    pub(super) fn within(self, table: &str) -> Self {
        match self {
            Self::Value { place, requirement } => Self::Value { place: format!("{table}.{place}"), requirement },
            other => other,
        }
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
    placeholder::check(&settings.collect()?)?;
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
mod tests {
    use std::io::Write;

    use serde::Deserialize;

    use scenecast_scene::Rotating;

    use super::*;
    use crate::config::{Origins, TelemetryConfig, strong_secret};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "some values are only read to be refused")]
    struct SampleConfig {
        bus: SampleBus,
        #[serde(default)]
        token: Option<Rotating>,
        #[serde(default, deserialize_with = "optional_strong_secret")]
        secret: Option<Rotating>,
        #[serde(default)]
        telemetry: TelemetryConfig,
        #[serde(default)]
        origins: Origins,
        #[serde(default)]
        texts: HashMap<String, String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SampleBus {
        url: MemoryUrl,
        #[serde(default)]
        limit: Option<u16>,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(try_from = "String")]
    struct MemoryUrl;

    impl TryFrom<String> for MemoryUrl {
        type Error = &'static str;

        fn try_from(url: String) -> Result<Self, Self::Error> {
            if url == "memory:" { Ok(Self) } else { Err("must be memory:") }
        }
    }

    fn optional_strong_secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Rotating>, D::Error> {
        strong_secret(from).map(Some)
    }

    impl Validate for SampleConfig {
        fn validate(&self) -> Result<(), ConfigError> {
            match self.bus.limit {
                Some(0) => Err(ConfigError::at("bus.limit", "must be at least 1")),
                _ => Ok(()),
            }
        }
    }

    fn read(toml: &str, env: &[(&str, &str)]) -> Result<SampleConfig, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(Some(file.path()), env).map_err(|error| error.to_string())
    }

    #[test]
    fn environment_variables_override_the_file() {
        let sample = read(
            "[bus]\nurl = 'memory:'\nlimit = 1",
            &[
                ("SCENECAST_BUS__LIMIT", "7"),
                ("SCENECAST_TOKEN__CURRENT", "0012"),
                ("SCENECAST_ORIGINS", "https://a.cn,https://b.cn"),
            ],
        )
        .unwrap();
        assert_eq!(sample.bus.limit, Some(7));
        assert_eq!(sample.token.unwrap().current.text(), "0012");
        assert!(sample.origins.allows("https://b.cn"));
        assert_eq!(sample.bus.url, MemoryUrl);
    }

    #[test]
    fn a_bad_value_is_named() {
        for (toml, env, named) in [
            ("[bus]\nurl = 'memory:'\nlimit = 'many'", vec![], "bus.limit"),
            ("[bus]\nurl = 'memory:'", vec![("SCENECAST_BUS__LIMIT", "70000")], "bus.limit"),
            ("[bus]\nurl = 'memory:'\nlimit = 0", vec![], "bus.limit"),
            ("[bus]\nurl = 'memory:'\nlimit = 0.5", vec![], "bus.limit"),
            ("[bus]\nurl = 'memory:'\nlimit = 1e30", vec![], "bus.limit"),
            ("[bus]\nurl = 'memory:'\nlimit = nan", vec![], "bus.limit"),
            ("[bus]\nurl = 'memory:'\nlimit = -1", vec![], "bus.limit"),
            ("[bus]\nurl = 'memory:'", vec![("SCENECAST_BUS__LIMIT", "0.5")], "bus.limit"),
            ("[bus]\nurl = 'memory:'\nlimits = 1", vec![], "limits"),
            ("[bus]\nurl = 'http://x'", vec![], "bus.url"),
            ("[bus]\nurl = 'memory:'\n[token]\ncurrent = ''", vec![], "token.current"),
            ("[bus]\nurl = 'memory:'\n[secret]\ncurrent = 'too short'", vec![], "secret"),
            ("[bus]\nurl = 'memory:'\n[telemetry]\nlog = 'x=y=z'", vec![], "telemetry.log"),
            ("[bus]\nurl = 'memory:'\n[telemetry]\ntrace_share = 7", vec![], "telemetry.trace_share"),
            (
                "[bus]\nurl = 'memory:'\n[telemetry]\notlp_endpoint = 'collector:4318'",
                vec![],
                "telemetry.otlp_endpoint",
            ),
            ("origins = ['a.cn/path']\n[bus]\nurl = 'memory:'", vec![], "origins"),
            ("[bus]", vec![], "url"),
            ("", vec![], "bus"),
            ("[bus", vec![], "line 1"),
        ] {
            let error = read(toml, &env).unwrap_err();
            assert!(error.contains(named), "{toml:?} {env:?}: {error}");
        }
    }

    #[test]
    fn a_value_that_was_never_put_in_is_named_and_not_shown() {
        let bus = "[bus]\nurl = 'memory:'\n";
        for (toml, env, named) in [
            ("[token]\ncurrent = '${HUSH}'", vec![], "token.current: still has the placeholder"),
            ("token = '<hush hush hush>'", vec![], "token: still has the placeholder"),
            ("", vec![("SCENECAST_SECRET__CURRENT", "$(HUSH_HUSH_HUSH)")], "secret.current: still has the placeholder"),
            ("origins = ['https://a.cn', 'https://${hush}']", vec![], "origins: still has the placeholder"),
            ("", vec![("SCENECAST_ORIGINS", "https://a.cn,https://{{ hush }}")], "origins: still has the placeholder"),
        ] {
            let error = read(&format!("{toml}\n{bus}"), &env).unwrap_err();
            assert!(error.starts_with(named) && !error.to_lowercase().contains("hush"), "{toml:?} {env:?}: {error}");
        }
        assert!(read(&format!("{bus}[texts]\nwelcome = 'Hi {{{{ {{name}} }}}} <b>'"), &[]).is_ok());
    }

    #[test]
    fn a_fraction_is_read_where_one_is_wanted() {
        let read = |share: &str| read(&format!("[bus]\nurl = 'memory:'\n[telemetry]\ntrace_share = {share}"), &[]);
        for (share, expected) in [("0.25", 0.25), ("1e-3", 0.001), ("1", 1.0)] {
            assert!((read(share).unwrap().telemetry.trace_share.get() - expected).abs() < f64::EPSILON, "{share}");
        }
        for share in ["nan", "inf", "-0.1"] {
            assert!(read(share).unwrap_err().contains("telemetry.trace_share"), "{share}");
        }
    }

    #[test]
    fn an_error_never_shows_a_secret() {
        let bus = "[bus]\nurl = 'memory:'\n";
        for toml in [
            format!("{bus}[token]\ncurrent = 'hush"),
            format!("{bus}[token]\ncurrent = ['hush']"),
            format!("{bus}[token]\nnow = 'hush'"),
            format!("token = ['hush']\n{bus}"),
            format!("{bus}[secret]\ncurrent = 'hush'"),
        ] {
            let error = read(&toml, &[]).unwrap_err();
            assert!(!error.contains("hush"), "{error}");
        }
        let token = read(&format!("token = 'plain'\n{bus}"), &[]).unwrap().token.unwrap();
        assert_eq!(token.current.text(), "plain");
    }

    #[test]
    fn the_variables_that_kubernetes_sets_for_services_are_ignored() {
        let set = [
            ("SCENECAST_PORT", "tcp://10.0.0.1:80"),
            ("SCENECAST_GATEWAY_SERVICE_HOST", "10.0.0.1"),
            ("SCENECAST_GATEWAY_SERVICE_PORT_HTTP", "80"),
            ("SCENECAST_GATEWAY_PORT_80_TCP_ADDR", "10.0.0.1"),
        ];
        assert!(read("[bus]\nurl = 'memory:'", &set).is_ok());
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load::<SampleConfig>(Some(Path::new("/nowhere/scenecast.toml")), HashMap::new()).unwrap_err();
        assert!(matches!(error, ConfigError::Unreadable { .. }), "{error:?}");
        assert!(error.to_string().contains("/nowhere/scenecast.toml"), "{error}");
    }
}
