//! A file of thresholds; `budgets.toml` in this crate shows one.

use scenecast_service::config::{ConfigError, Validate};
use serde::{Deserialize, de::IgnoredAny};

use super::threshold::Threshold;

/// What a file of thresholds has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdFile {
    /// Each as on the command line.
    thresholds: Vec<String>,
    /// Ratios to peers, which only `scenecast-loadtest peers` checks.
    #[serde(default, rename = "peers")]
    _peers: IgnoredAny,
}

impl Validate for ThresholdFile {
    fn validate(&self) -> Result<(), ConfigError> {
        for text in &self.thresholds {
            text.parse::<Threshold>().map_err(|error| ConfigError::at("thresholds", error.to_string()))?;
        }
        Ok(())
    }
}

impl ThresholdFile {
    /// The thresholds, in their order.
    pub fn thresholds(&self) -> impl Iterator<Item = Threshold> {
        // A file is validated when it is read.
        self.thresholds.iter().filter_map(|text| text.parse().ok())
    }
}
