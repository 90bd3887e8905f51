//! Reads settings into the types of a configuration. All errors are found at once, and none shows a value: it may be a
//! secret, also where it doesn't belong. No I/O.
//!
//! See docs/decisions/080-we-read-settings-ourselves.md.

use std::{collections::BTreeSet, fmt, fmt::Display};

use serde::{
    de,
    de::{DeserializeOwned, DeserializeSeed, IntoDeserializer, Unexpected, Visitor, value::StringDeserializer},
    forward_to_deserialize_any,
};
use toml::{Table, Value};

use super::place::{is_within, join};

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadSetting {
    pub(super) place: String,
    pub(super) problem: Problem,
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// It isn't there, and has no default.
    Missing,
    /// It can't be read. The text says what it has to be.
    Unreadable(String),
}

/// Reads the settings. Those at the places in `left_out`, which have been found bad, are taken for absent.
///
/// Serde stops at the first error, and so one setting after the other is left out until nothing new is found. What is
/// incomplete is read last, so that it doesn't hide what comes after it.
pub(super) fn read<T: DeserializeOwned>(settings: &Table, left_out: BTreeSet<String>) -> Result<T, Vec<BadSetting>> {
    let mut bad = vec![];
    let mut known = Known { left_out, incomplete: BTreeSet::new() };
    loop {
        match T::deserialize(Reader::new(&Value::Table(settings.clone()), String::new(), &known)) {
            Ok(config) if bad.is_empty() => return Ok(config),
            Ok(_) => return Err(bad),
            Err(error) => {
                let setting = error.into_setting();
                let is_new = match setting.problem {
                    Problem::Missing => known.incomplete.insert(setting.place.clone()),
                    Problem::Unreadable(_) => known.left_out.insert(setting.place.clone()),
                };
                if !is_new {
                    return Err(bad);
                }
                // What is left out is missing then, which says nothing new.
                if setting.problem != Problem::Missing || !known.left_out.contains(&setting.place) {
                    bad.push(setting);
                }
            }
        }
    }
}

/// What was found before.
struct Known {
    /// The places of settings that are taken for absent.
    left_out: BTreeSet<String>,
    /// The places of missing settings.
    incomplete: BTreeSet<String>,
}

impl Known {
    /// What has something left out comes after what has not, and what is incomplete comes last.
    fn rank(&self, place: &str) -> u8 {
        let has = |places: &BTreeSet<String>| places.iter().any(|it| is_within(it, place));
        if has(&self.incomplete) { 2 } else { u8::from(has(&self.left_out)) }
    }
}

/// Why a value can't be read. It has no place until it leaves the value.
#[derive(Debug)]
struct ReadError {
    place: Option<String>,
    /// The field that is missing, below the place.
    missing: Option<&'static str>,
    requirement: String,
}

impl ReadError {
    fn new(requirement: impl Display) -> Self {
        Self { place: None, missing: None, requirement: requirement.to_string() }
    }

    /// The error of the value at this place, unless it has a place already.
    fn at(mut self, place: &str) -> Self {
        self.place.get_or_insert_with(|| place.to_owned());
        self
    }

    fn into_setting(self) -> BadSetting {
        let place = self.place.unwrap_or_default();
        match self.missing {
            Some(field) => BadSetting { place: join(&place, field), problem: Problem::Missing },
            None => BadSetting { place, problem: Problem::Unreadable(self.requirement) },
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
        Self::new(format_args!("there is no such setting; there are {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new("is missing") }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format_args!("{field} is set twice, by its old name and by its new one"))
    }
}

/// One value and its place.
#[derive(Clone)]
struct Reader<'a> {
    value: &'a Value,
    place: String,
    known: &'a Known,
}

impl<'a> Reader<'a> {
    fn new(value: &'a Value, place: String, known: &'a Known) -> Self {
        Self { value, place, known }
    }

    /// The value as a number, which a variable has as a text; `None` if it is none.
    fn number<N: std::str::FromStr + TryFrom<i64>>(&self) -> Option<N> {
        match self.value {
            Value::Integer(number) => N::try_from(*number).ok(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The names of a table, and its values.
    fn table<'de, V: Visitor<'de>>(self, table: &'a Table, visitor: V) -> Result<V::Value, ReadError> {
        let Self { place, known, .. } = &self;
        let mut entries: Vec<_> = table
            .iter()
            .map(|(name, value)| (name.as_str(), Reader::new(value, join(place, name), known)))
            .filter(|(_, entry)| !known.left_out.contains(&entry.place))
            .collect();
        entries.sort_by_key(|(_, entry)| known.rank(&entry.place));
        visitor.visit_map(Entries { entries: entries.into_iter(), value: None }).map_err(|error| error.at(place))
    }
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $number:ty)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            let requirement = || format!("must be a whole number from {} to {}", <$number>::MIN, <$number>::MAX);
            let number = self.number::<$number>().ok_or_else(|| ReadError::new(requirement()))?;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    whole_numbers! {
        deserialize_u8 visit_u8 u8
        deserialize_u16 visit_u16 u16
        deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64
        deserialize_i8 visit_i8 i8
        deserialize_i16 visit_i16 i16
        deserialize_i32 visit_i32 i32
        deserialize_i64 visit_i64 i64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::String(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(truth) => visitor.visit_bool(*truth),
            Value::Datetime(_) => Err(de::Error::invalid_type(Unexpected::Other("a date"), &visitor)),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Table(table) => self.clone().table(table, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Boolean(truth) => visitor.visit_bool(*truth),
            Value::String(text) if matches!(text.as_str(), "true" | "1" | "on" | "yes") => visitor.visit_bool(true),
            Value::String(text) if matches!(text.as_str(), "false" | "0" | "off" | "no") => visitor.visit_bool(false),
            _ => Err(ReadError::new("must be true or false")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let number = match self.value {
            Value::Float(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "no setting needs a fraction of so large a number")]
            Value::Integer(number) => Some(*number as f64),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        visitor.visit_f64(number.ok_or_else(|| ReadError::new("must be a number"))?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::String(text) => visitor.visit_str(text),
            _ => Err(ReadError::new("must be a text in quotation marks")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    /// A value that is there. One that is absent has no reader.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    /// A list, or one text with commas, as a variable has it.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let items = match self.value {
            Value::Array(items) => items.clone(),
            Value::String(text) => text.split(',').map(|item| Value::String(item.trim().to_owned())).collect(),
            _ => return Err(ReadError::new("must be a list, or one text with commas")),
        };
        let items: Vec<_> = items.iter().map(|item| Reader::new(item, self.place.clone(), self.known)).collect();
        visitor.visit_seq(de::value::SeqDeserializer::new(items.into_iter()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Table(table) => self.clone().table(table, visitor),
            _ => Err(ReadError::new("is a table of names, and has no value of its own")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Table(table) => self.clone().table(table, visitor),
            _ => Err(ReadError::new(format_args!(
                "is a table, and has no value of its own; it has {}",
                fields.join(", ")
            ))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.value {
            Value::String(text) => visitor.visit_enum(as_name(text)),
            _ => Err(de::Error::unknown_variant("", variants)),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, ReadError> for Reader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn as_name(text: &str) -> StringDeserializer<ReadError> {
    text.to_owned().into_deserializer()
}

/// The entries of a table.
struct Entries<'a> {
    entries: std::vec::IntoIter<(&'a str, Reader<'a>)>,
    /// The value of the name that was read last.
    value: Option<Reader<'a>>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((name, value)) = self.entries.next() else { return Ok(None) };
        let name = seed.deserialize(as_name(name)).map_err(|error| error.at(&value.place))?;
        self.value = Some(value);
        Ok(Some(name))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        let value = self.value.take().expect("serde reads each name before its value");
        let place = value.place.clone();
        seed.deserialize(value).map_err(|error| error.at(&place))
    }
}
