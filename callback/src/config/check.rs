//! Checks that the settings of accounts and mini programs have in common.

use scenecast_service::config::{ConfigError, Seconds};

pub(super) fn check_grant_life(at: &str, life: Seconds) -> Result<(), ConfigError> {
    if (1..=600).contains(&life.duration().as_secs()) {
        return Ok(());
    }
    bad(&format!("{at}.grant_life"), "must be 1 to 600 seconds")
}

pub(super) fn bad(at: &str, why: &str) -> Result<(), ConfigError> {
    Err(ConfigError::at(at, why))
}
