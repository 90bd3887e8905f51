//! Checks the sections that can be used while a setting of another one can't, so that all that is wrong is said at once.
//! No I/O.
//!
//! See docs/decisions/086-a-bad-setting-hides-no-other.md.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{
    error::ConfigError,
    place::{is_within, join},
    read::read,
    validate::{Required, Validate, missing},
};

/// What the checks find in other sections than those of the `bad` places. Nothing if these are so bad that a
/// check of others could be wrong.
pub(super) fn check_rest<T: Validate>(mut settings: Table, bad: &BTreeSet<String>) -> Vec<ConfigError> {
    for place in bad {
        let below: Vec<_> = T::REQUIRED.iter().filter_map(|required| required.below(place)).collect();
        // Others may refer to the names in it.
        if below.iter().any(|below| below.starts_with('*')) {
            return vec![];
        }
        let instead = (!below.is_empty()).then(|| Value::Table(Table::new()));
        replace(&mut settings, "", place, instead.as_ref());
    }
    let Some(Err(error)) = read_rest::<T>(settings).map(|config| config.validate()) else { return vec![] };
    let found = error.into_each().into_iter();
    found.filter(|error| !bad.iter().any(|place| concerns(error, section(place)))).collect()
}

/// Reads what is left, and stand-ins for what has to be there. Without one of its settings a table can't be read, and is
/// taken away, too.
fn read_rest<T: Validate>(mut settings: Table) -> Option<T> {
    add_stand_ins(&mut settings, T::REQUIRED);
    let unreadable = match read(&settings, BTreeSet::new()) {
        Ok(config) => return Some(config),
        Err(unreadable) => unreadable,
    };
    for setting in unreadable {
        let (table, _) = setting.place.rsplit_once('.')?;
        if T::REQUIRED.iter().any(|required| required.below(table).is_some()) {
            return None;
        }
        replace(&mut settings, "", table, None);
    }
    add_stand_ins(&mut settings, T::REQUIRED);
    read(&settings, BTreeSet::new()).ok()
}

fn add_stand_ins(settings: &mut Table, required: &[Required]) {
    for Required { place, stand_in } in required {
        for place in missing(settings, "", place) {
            set(settings, "", &place, stand_in);
        }
    }
}

/// Puts `instead` in the place of a setting that is there, or takes it away.
fn replace(table: &mut Table, above: &str, place: &str, instead: Option<&Value>) {
    let Some(name) = entry_with(table, above, place) else { return };
    let at = join(above, &name);
    if at != place {
        if let Some(below) = table.get_mut(&name).and_then(Value::as_table_mut) {
            replace(below, &at, place, instead);
        }
        return;
    }
    match instead {
        Some(instead) => table.insert(name, instead.clone()),
        None => table.remove(&name),
    };
}

/// Sets what isn't there. `above` is the place of the table.
fn set(table: &mut Table, above: &str, place: &str, text: &str) {
    let name = entry_with(table, above, place).unwrap_or_else(|| {
        // Only names of our own are added, and they have no dots.
        let below = place.strip_prefix(above).unwrap_or(place).trim_start_matches('.');
        below.split('.').next().unwrap_or(below).to_owned()
    });
    let at = join(above, &name);
    if at == place {
        table.insert(name, Value::String(text.to_owned()));
    } else if let Value::Table(below) = table.entry(name).or_insert_with(|| Value::Table(Table::new())) {
        set(below, &at, place, text);
    }
}

/// The name of the entry in which this place is.
fn entry_with(table: &Table, above: &str, place: &str) -> Option<String> {
    table.keys().find(|name| is_within(place, &join(above, name))).cloned()
}

/// What is checked together with a setting: its account, for example, or its section.
fn section(place: &str) -> &str {
    let mut dots = place.match_indices('.').map(|(at, _)| at);
    let (first, second) = (dots.next(), dots.next());
    match (first, second) {
        (_, Some(second)) => &place[..second],
        (Some(first), None) => &place[..first],
        (None, None) => place,
    }
}

/// Whether an error is of this section, or compares something with it.
fn concerns(error: &ConfigError, section: &str) -> bool {
    match error {
        ConfigError::Value { place, requirement } => is_within(place, section) || requirement.contains(section),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_section_and_required_places_below_it() {
        assert_eq!(["a.b.c.d", "a.b.c", "a.b", "a"].map(section), ["a.b", "a.b", "a", "a"]);
        let required = Required::new("accounts.*.token", "x");
        assert_eq!(required.below("accounts"), Some("*.token"));
        assert_eq!(required.below("accounts.demo"), Some("token"));
        assert_eq!(required.below("accounts.demo.token"), None);
        assert_eq!(required.below("account"), None);
    }
}
