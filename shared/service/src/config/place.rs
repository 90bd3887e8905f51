//! The place of a setting: its names with dots between them, such as `accounts.demo.secret`. As in TOML, a name has
//! quotation marks if it isn't of letters, digits, dashes and underscores only, so that an empty one is seen, and one with
//! a line break breaks no line. No I/O.

/// The place of a setting of this name in the table at `above`, which is empty for the top level.
pub(super) fn join(above: &str, name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let name = if is_bare { name.to_owned() } else { format!("{name:?}") };
    if above.is_empty() { name } else { format!("{above}.{name}") }
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
        assert_eq!((join("", ""), join("api_keys", "a\n.b")), ("\"\"".to_owned(), "api_keys.\"a\\n.b\"".to_owned()));
        assert!(is_within("bus.url", "bus") && is_within("bus", "bus"));
        assert!(!is_within("bus", "bus.url") && !is_within("business", "bus"));
    }
}
