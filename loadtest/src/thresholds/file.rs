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

#[cfg(test)]
mod tests {
    use scenecast_service::config::load;

    use super::*;

    #[test]
    fn our_own_budgets_are_thresholds() {
        let budgets = concat!(env!("CARGO_MANIFEST_DIR"), "/budgets.toml");
        let file: ThresholdFile = load(Some(budgets.as_ref()), []).unwrap();
        assert!(file.thresholds().count() > 3);
    }

    #[test]
    fn a_file_with_a_text_that_is_no_threshold_is_refused() {
        let files = tempfile::tempdir().unwrap();
        let path = files.path().join("t.toml");
        for (text, says) in [
            ("thresholds = ['lost == 0', 'lost']", "\"lost\" has no <"),
            ("thresholds = 7", "thresholds"),
            ("treshold = []", "treshold"),
            ("", "thresholds"),
        ] {
            std::fs::write(&path, text).unwrap();
            let refused = load::<ThresholdFile>(Some(&path), []).unwrap_err().to_string();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
