//! Reads one TOML file and environment variables over it, and says which value is wrong.

use std::{collections::HashMap, fmt::Display, path::Path};

use serde::de::DeserializeOwned;

/// Environment variables begin with this; `__` stands between the levels, so that
/// `SCENECAST_BUS__URL` is `url` in `[bus]`.
const ENV_PREFIX: &str = "SCENECAST";

/// The configuration can't be used. The text names the value and where it came from, and never
/// shows a secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// The value at this place, and what it has to be.
    pub fn at(place: impl Display, must: impl Display) -> Self {
        Self(format!("{place}: {must}"))
    }
}

/// A configuration that knows what can't be told from its types alone.
pub trait Validate: DeserializeOwned {
    /// Names the first combination of values that makes no sense.
    fn validate(&self) -> Result<(), ConfigError>;
}

/// A configuration file as it was read.
#[derive(Debug)]
pub struct ConfigFile {
    text: String,
    sections: toml::Table,
}

impl ConfigFile {
    /// Reads a TOML file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::at(path.display(), error))?;
        // Parsed here, too: the message of `config` would show the line, and with it maybe a secret.
        match toml::from_str(&text) {
            Ok(sections) => Ok(Self { text, sections }),
            Err(error) => {
                let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
                Err(ConfigError::at(format!("{}, line {line}", path.display()), error.message()))
            }
        }
    }

    /// Whether the value at this place is the same in both, or in neither.
    pub fn same(&self, other: &Self, place: &[&str]) -> bool {
        let value = |file: &Self| {
            let (first, rest) = place.split_first()?;
            rest.iter().try_fold(file.sections.get(*first)?.clone(), |value, name| value.get(*name).cloned())
        };
        value(self) == value(other)
    }

    /// The names of all that stands at its top.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }
}

/// Reads `file`, if one is given, and `env` over it.
pub fn load<T: Validate>(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let file = file.map(ConfigFile::read).transpose()?;
    load_over(file.as_ref(), env)
}

/// The same with a file that was read before.
pub fn load_over<T: Validate>(
    file: Option<&ConfigFile>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut builder = config::Config::builder();
    if let Some(file) = file {
        builder = builder.add_source(config::File::from_str(&file.text, config::FileFormat::Toml));
    }
    let env: HashMap<_, _> = env.into_iter().filter(|(name, _)| !is_anothers(name)).collect();
    let environment = config::Environment::with_prefix(ENV_PREFIX)
        .prefix_separator("_")
        .separator("__")
        .ignore_empty(true)
        .source(Some(env));
    let config: T = builder
        .add_source(environment)
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|error| ConfigError(error.to_string()))?;
    config.validate()?;
    Ok(config)
}

/// Whether a variable with our prefix isn't ours to read: the one that names the file, and those
/// that Kubernetes sets for each Service whose name begins with `scenecast`.
fn is_anothers(name: &str) -> bool {
    let of_a_service = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"]
        .iter()
        .any(|part| name.split_once(part).is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('_')));
    name == "SCENECAST_CONFIG" || (of_a_service && !name.contains("__"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde::Deserialize;

    use scenecast_scene::Rotating;

    use super::*;
    use crate::config::{Origins, TelemetryConfig, strong};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "some values are only read to be refused")]
    struct Sample {
        bus: Bus,
        #[serde(default)]
        token: Option<Rotating>,
        #[serde(default, deserialize_with = "strong_if_any")]
        secret: Option<Rotating>,
        #[serde(default)]
        telemetry: TelemetryConfig,
        #[serde(default)]
        origins: Origins,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bus {
        url: Memory,
        #[serde(default)]
        limit: Option<u16>,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(try_from = "String")]
    struct Memory;

    impl TryFrom<String> for Memory {
        type Error = &'static str;

        fn try_from(url: String) -> Result<Self, Self::Error> {
            if url == "memory:" { Ok(Self) } else { Err("must be memory:") }
        }
    }

    fn strong_if_any<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Rotating>, D::Error> {
        strong(from).map(Some)
    }

    impl Validate for Sample {
        fn validate(&self) -> Result<(), ConfigError> {
            match self.bus.limit {
                Some(0) => Err(ConfigError::at("bus.limit", "must be at least 1")),
                _ => Ok(()),
            }
        }
    }

    fn read(toml: &str, env: &[(&str, &str)]) -> Result<Sample, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(Some(file.path()), env).map_err(|bad| bad.to_string())
    }

    #[test]
    fn environment_goes_over_the_file() {
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
        assert!(sample.origins.allow("https://b.cn"));
        assert_eq!(sample.bus.url, Memory);
    }

    #[test]
    fn a_bad_value_is_named() {
        for (toml, env, named) in [
            ("[bus]\nurl = 'memory:'\nlimit = 'many'", vec![], "bus.limit"),
            ("[bus]\nurl = 'memory:'", vec![("SCENECAST_BUS__LIMIT", "70000")], "bus.limit"),
            ("[bus]\nurl = 'memory:'\nlimit = 0", vec![], "bus.limit"),
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
    fn a_secret_that_is_written_wrongly_is_not_shown() {
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
    fn what_kubernetes_sets_for_services_is_none_of_ours() {
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
        let error = load::<Sample>(Some(Path::new("/nowhere/scenecast.toml")), HashMap::new()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/scenecast.toml"), "{error}");
    }
}
