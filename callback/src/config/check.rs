//! Checks that the settings of accounts and mini programs have in common.

use std::collections::BTreeMap;

use scenecast_service::config::{ConfigError, Seconds};

pub(super) fn check_grant_life(at: &str, life: Seconds) -> Result<(), ConfigError> {
    life.check(format_args!("{at}.grant_life"), 1..=600)
}

/// Refuses what is no app id, such as the account's original id in its place.
pub(super) fn check_app_id(at: &str, app_id: &str) -> Result<(), ConfigError> {
    require(
        app_id.strip_prefix("wx").is_some_and(is_word),
        &format!("{at}.app_id"),
        "must be the AppID as WeChat's console shows it: wx and letters and digits, such as wx0123456789abcdef",
    )
}

/// Whether a text is not empty, and of letters and digits only.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Refuses each place with the value of another, which only one of them can have.
pub(super) fn check_own<T: Ord>(
    values: impl IntoIterator<Item = (String, T)>,
    setting: &str,
) -> Result<(), ConfigError> {
    let mut seen = BTreeMap::new();
    ConfigError::all(values.into_iter().map(|(at, value)| match seen.insert(value, at.clone()) {
        Some(other) => bad(&format!("{at}.{setting}"), &format!("is that of {other} too")),
        None => Ok(()),
    }))
}

/// Refuses a site's name that nobody could read.
pub(super) fn check_site(at: &str, site: Option<&str>) -> Result<(), ConfigError> {
    require(site.is_none_or(|site| !site.trim().is_empty()), &format!("{at}.site"), "must not be empty")
}

pub(super) fn require(is_good: bool, at: &str, requirement: &str) -> Result<(), ConfigError> {
    if is_good { Ok(()) } else { bad(at, requirement) }
}

pub(super) fn bad(at: &str, why: &str) -> Result<(), ConfigError> {
    Err(ConfigError::at(at, why))
}
