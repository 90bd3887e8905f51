//! Configuration: a TOML file, environment variables that override it, and errors that name the value that is wrong.

pub(crate) mod load;
pub(crate) mod types;

pub use load::{ConfigError, ConfigFile, Validate, load, load_with_file};
pub use types::{DrainConfig, HttpUrl, LogFilter, Origins, Ratio, Seconds, TelemetryConfig, defaults, strong_secret};
