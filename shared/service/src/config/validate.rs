//! What a configuration says of its own rules: what has to be there, and what is checked. No I/O.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::{
    error::{ConfigError, ConfigWarning},
    place::join,
};

/// A configuration with rules that its types alone can't express.
///
/// See docs/decisions/056-a-setting-is-refused-or-warned-of.md.
pub trait Validate: DeserializeOwned {
    /// The settings that have to be there, so that an error names all that are not. A place that isn't listed is only
    /// named once all that are listed are set, and then hides what is wrong elsewhere.
    const REQUIRED: &'static [Required] = &[];

    /// Checks values that depend on each other. Names those that are wrong; see [`ConfigError::all`].
    fn validate(&self) -> Result<(), ConfigError>;

    /// The values that can be used and are probably mistakes.
    fn warnings(&self) -> Vec<ConfigWarning> {
        vec![]
    }
}

/// A setting that has to be there.
#[derive(Debug, Clone, Copy)]
pub struct Required {
    pub(super) place: &'static str,
    pub(super) stand_in: &'static str,
}

impl Required {
    /// The setting at this place; `*` is any name that is there: `accounts.*.secret`. While it is missing or can't be read,
    /// `stand_in` is in its place, so that the other sections can be checked. It has to be a good value, and no secret
    /// that another setting may have.
    pub const fn new(place: &'static str, stand_in: &'static str) -> Self {
        Self { place, stand_in }
    }

    /// Where it is.
    pub const fn place(&self) -> &'static str {
        self.place
    }

    /// What this place has below the given one; `None` if it is elsewhere, or the same.
    pub(super) fn below(&self, place: &str) -> Option<&'static str> {
        let mut rest = self.place;
        for name in place.split('.') {
            let (first, below) = rest.split_once('.')?;
            if first != "*" && first != name {
                return None;
            }
            rest = below;
        }
        Some(rest)
    }
}

/// The places below `above` that aren't set, of those that `required` stands for.
pub(super) fn missing(table: &Table, above: &str, required: &str) -> Vec<String> {
    let (name, rest) = required.split_once('.').map_or((required, None), |(name, rest)| (name, Some(rest)));
    let below = |name: &str, value: Option<&Value>| match (value, rest) {
        (Some(Value::Table(table)), Some(rest)) => missing(table, &join(above, name), rest),
        (None, None) => vec![join(above, name)],
        (None, Some(rest)) if above.is_empty() && !rest.contains('*') => vec![join(name, rest)],
        // What stands in place of a table is refused when it is read, and other tables may be absent.
        (Some(_), _) | (None, Some(_)) => vec![],
    };
    if name == "*" {
        return table.iter().flat_map(|(name, value)| below(name, Some(value))).collect();
    }
    below(name, table.get(name))
}
