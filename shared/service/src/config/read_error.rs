//! Why a setting can't be read. The error has no room for the value: it may be a secret, also where it doesn't belong.
//! No I/O.
//!
//! See docs/decisions/080-we-read-settings-ourselves.md.

use std::{fmt, fmt::Display};

use serde::{de, de::Unexpected};

use super::place::join;

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadSetting {
    pub(super) place: String,
    pub(super) fault: Fault,
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It isn't there, and has no default.
    Missing,
    /// There is no such setting. The text says which there are.
    Unknown(String),
    /// It can't be read. The text says what it has to be.
    Unreadable(String),
}

/// Why a value can't be read. It has no place until it leaves the value.
#[derive(Debug)]
pub(super) struct ReadError {
    place: Option<String>,
    kind: ReadErrorKind,
    requirement: String,
}

#[derive(Debug)]
enum ReadErrorKind {
    /// This field is missing, below the place.
    MissingField(&'static str),
    UnknownField,
    Other,
}

impl ReadError {
    pub(super) fn new(requirement: impl Display) -> Self {
        Self { place: None, kind: ReadErrorKind::Other, requirement: requirement.to_string() }
    }

    /// The error of the value at this place, unless it has a place already.
    pub(super) fn at(mut self, place: &str) -> Self {
        self.place.get_or_insert_with(|| place.to_owned());
        self
    }

    pub(super) fn into_setting(self) -> BadSetting {
        let place = self.place.unwrap_or_default();
        match self.kind {
            ReadErrorKind::MissingField(field) => BadSetting { place: join(&place, field), fault: Fault::Missing },
            ReadErrorKind::UnknownField => BadSetting { place, fault: Fault::Unknown(self.requirement) },
            ReadErrorKind::Other => BadSetting { place, fault: Fault::Unreadable(self.requirement) },
        }
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.requirement)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: Display>(requirement: T) -> Self {
        Self::new(requirement)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let kind = match found {
            Unexpected::Bool(_) => "true or false",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => {
                "a number without quotation marks"
            }
            Unexpected::Str(_) | Unexpected::Char(_) => "a text",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a table",
            _ => "something else",
        };
        Self::new(format_args!("must be {expected}, and is {kind}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string();
        match expected.strip_prefix("a nonzero ") {
            Some(_) => Self::new("must be at least 1"),
            None => Self::new(format_args!("must be {expected}")),
        }
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format_args!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        let requirement = format_args!("there is no such setting; there are {}", expected.join(", "));
        Self { kind: ReadErrorKind::UnknownField, ..Self::new(requirement) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { kind: ReadErrorKind::MissingField(field), ..Self::new("is missing") }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format_args!("{field} is set twice, by its old name and by its new one"))
    }
}
