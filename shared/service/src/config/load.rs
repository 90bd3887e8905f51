//! Reads a TOML file, and environment variables that override it. Errors name the values that are wrong.

use std::{collections::BTreeSet, net::SocketAddr, path::Path};

use toml::{Table, de::DeTable};

use super::{
    environment::{Variables, variable_for},
    error::ConfigError,
    place::is_within,
    read::read,
    read_error::{BadSetting, Fault},
    rest::check_rest,
    texts::bad_texts,
    validate::{Validate, missing},
};

/// A configuration file that was read, but not checked.
#[derive(Debug)]
pub struct ConfigFile {
    sections: toml::Table,
}

impl ConfigFile {
    /// Reads a TOML file. Fails if it can't be read, or isn't TOML.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        match toml::from_str(&text) {
            Ok(sections) => Ok(Self { sections }),
            Err(error) => {
                let line = error.span().map_or(1, |span| line_at(&text, span.start));
                Err(ConfigError::Syntax { path: path.to_owned(), line, message: error.message().to_owned() })
            }
        }
    }

    /// Whether both files have the same value at this place, such as `["bus", "url"]`, or both have none.
    pub fn has_same_value(&self, other: &Self, place: &[&str]) -> bool {
        self.value(place) == other.value(place)
    }

    fn value(&self, place: &[&str]) -> Option<&toml::Value> {
        let (first, rest) = place.split_first()?;
        let mut value = self.sections.get(*first)?;
        for name in rest {
            value = value.get(*name)?;
        }
        Some(value)
    }

    /// The names at the top level of the file: its sections, and values that are in no section.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }
}

/// Reads the configuration from `file`, if there is one, and from the variables in `env`, which override it. Variables
/// without our prefix are ignored. The error names all settings that can't be used, and the variables that set them.
pub fn load<T: Validate>(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let file = file.map(ConfigFile::read).transpose()?;
    load_with_file(file.as_ref(), env)
}

/// As [`load`], with a file that was read before.
pub fn load_with_file<T: Validate>(
    file: Option<&ConfigFile>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut settings = file.map(|file| file.sections.clone()).unwrap_or_default();
    let (variables, mut errors) = Variables::lay_over(&mut settings, env);
    let (found, bad) = find_bad::<T>(&settings, &variables);
    errors.extend(found.into_iter().map(|error| with_source(error, &variables)));
    match read::<T>(&settings, bad) {
        Ok(config) if errors.is_empty() => {
            config.validate().map_err(|error| with_sources(error, &variables))?;
            return Ok(config);
        }
        Ok(_) => {}
        Err(unreadable) => {
            let named: Vec<_> = errors.iter().filter_map(place_of).map(ToOwned::to_owned).collect();
            // A table is missing if what has to be in it is, and that has been named.
            let is_new = |setting: &BadSetting| {
                setting.fault != Fault::Missing || !named.iter().any(|place| is_within(place, &setting.place))
            };
            let unreadable = unreadable.into_iter().filter(is_new).map(|setting| error_for(setting, &variables));
            errors.extend(unreadable.map(|error| with_source(error, &variables)));
        }
    }
    let bad = errors.iter().filter_map(place_of).map(ToOwned::to_owned).collect();
    errors.extend(check_rest::<T>(settings, &bad).into_iter().map(|error| with_source(error, &variables)));
    Err(ConfigError::of(errors).expect("settings that can be read are only refused for an error"))
}

/// The address in `listen.admin`, by the variables or else by a file with this text, whatever else is wrong with both, also if
/// the text isn't TOML: a process that runs may have a file by now with which it would not start. `None` if it isn't set, or
/// is no address. The text is asked for only if no variable sets it.
pub(crate) fn admin_address(
    text: impl FnOnce() -> String,
    env: impl IntoIterator<Item = (String, String)>,
) -> Option<SocketAddr> {
    let mut settings = Table::new();
    let _ = Variables::lay_over(&mut settings, env);
    let set = settings.get("listen").and_then(|listen| listen.get("admin")?.as_str()?.parse().ok());
    set.or_else(|| admin_in(&text()))
}

/// The address, if the parser finds it in spite of errors.
fn admin_in(text: &str) -> Option<SocketAddr> {
    let (sections, _) = DeTable::parse_recoverable(text);
    let (_, listen) = sections.get_ref().iter().find(|(name, _)| name.get_ref() == "listen")?;
    listen.get_ref().get("admin")?.get_ref().as_str()?.parse().ok()
}

/// The line of this place in a text, counted from 1. The end of a text belongs to its last line.
fn line_at(text: &str, bytes_before: usize) -> usize {
    let line_breaks = text.bytes().take(bytes_before).filter(|byte| *byte == b'\n').count();
    (1 + line_breaks).min(text.lines().count()).max(1)
}

/// The errors that can be found without reading the settings into their types, and the places of texts that can't be
/// meant.
fn find_bad<T: Validate>(settings: &Table, variables: &Variables) -> (Vec<ConfigError>, BTreeSet<String>) {
    let mut errors = vec![];
    let mut places = BTreeSet::new();
    let mut bad_texts = bad_texts(settings);
    if !bad_texts.is_empty() {
        // Whatever is wrong with its text, a setting that nobody knows is reported as such when the settings are read.
        let unknown = unknown_places::<T>(settings);
        bad_texts.retain(|bad| !unknown.iter().any(|place| is_within(&bad.place, place)));
    }
    for bad in bad_texts {
        errors.push(ConfigError::at(&bad.place, bad.problem));
        places.insert(bad.place);
    }
    let missing = T::REQUIRED
        .iter()
        .flat_map(|required| missing(settings, "", required.place()))
        .map(|place| error_for(BadSetting { place, fault: Fault::Missing }, variables));
    errors.extend(missing);
    (errors, places)
}

/// The places of settings that nobody knows.
fn unknown_places<T: Validate>(settings: &Table) -> Vec<String> {
    let bad = read::<T>(settings, BTreeSet::new()).err().unwrap_or_default();
    bad.into_iter().filter(|bad| matches!(bad.fault, Fault::Unknown(_))).map(|bad| bad.place).collect()
}

fn error_for(setting: BadSetting, variables: &Variables) -> ConfigError {
    match setting.fault {
        Fault::Missing => ConfigError::at(&setting.place, how_to_set(&setting.place, variables)),
        Fault::Unknown(requirement) | Fault::Unreadable(requirement) => ConfigError::at(&setting.place, requirement),
    }
}

fn how_to_set(place: &str, variables: &Variables) -> String {
    let empty = variables.empty_behind(place);
    if empty.is_empty() {
        return format!("is missing; set it in the file, or by {}", variable_for(place));
    }
    format!(
        "is missing: {} is empty, and so sets nothing; was its Secret or its shell variable filled?",
        empty.join(", ")
    )
}

fn place_of(error: &ConfigError) -> Option<&str> {
    match error {
        ConfigError::Value { place, .. } => Some(place),
        _ => None,
    }
}

fn with_sources(error: ConfigError, variables: &Variables) -> ConfigError {
    let each = error.into_each().into_iter().map(|error| with_source(error, variables));
    ConfigError::of(each.collect()).expect("an error consists of at least one")
}

/// Says which variables have set the value.
fn with_source(error: ConfigError, variables: &Variables) -> ConfigError {
    match error {
        ConfigError::Value { place, requirement } => {
            let behind = variables.behind(&place);
            let source = if behind.is_empty() { String::new() } else { format!(" (set by {})", behind.join(", ")) };
            ConfigError::Value { place, requirement: requirement + &source }
        }
        other => other,
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
