//! The place of a setting: its names with dots between them, such as `accounts.demo.secret`. No I/O.

/// The place of a setting of this name in the table at `above`, which is empty for the top level.
pub(super) fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") }
}

/// Whether a setting is the other one, or a part of it.
pub(super) fn is_within(place: &str, other: &str) -> bool {
    place.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_within_itself_and_the_tables_above() {
        assert_eq!(join("", "bus"), "bus");
        assert_eq!(join("accounts.demo", "secret"), "accounts.demo.secret");
        assert!(is_within("bus.url", "bus") && is_within("bus", "bus"));
        assert!(!is_within("bus", "bus.url") && !is_within("business", "bus"));
    }
}
