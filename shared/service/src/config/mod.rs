//! Configuration: one TOML file, environment variables over it, and checks that name what is wrong.

pub(crate) mod load;
pub(crate) mod types;

pub use load::{ConfigError, ConfigFile, Validate, load, load_over};
pub use types::{DrainConfig, HttpUrl, LogFilter, Origins, Ratio, Seconds, TelemetryConfig, defaults, strong};
