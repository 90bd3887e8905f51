//! Reads settings into the types of a configuration. All errors are found at once. No I/O.
//!
//! See docs/decisions/080-we-read-settings-ourselves.md.

use std::collections::BTreeSet;

use serde::{
    de,
    de::{DeserializeOwned, DeserializeSeed, IntoDeserializer, Unexpected, Visitor, value::StringDeserializer},
    forward_to_deserialize_any,
};
use toml::{Table, Value};

use super::{
    place::{is_within, join},
    read_error::{BadSetting, Fault, ReadError},
};

/// Reads the settings. Those at the places in `left_out`, which have been found bad, are taken for absent.
///
/// Serde stops at the first error, and so one setting after the other is left out until nothing new is found. What is
/// incomplete is read last, so that it doesn't hide what comes after it.
pub(super) fn read<T: DeserializeOwned>(settings: &Table, left_out: BTreeSet<String>) -> Result<T, Vec<BadSetting>> {
    let mut bad = vec![];
    let mut known = KnownFaults { left_out, incomplete: BTreeSet::new() };
    loop {
        match T::deserialize(SettingReader::new(&Value::Table(settings.clone()), String::new(), &known)) {
            Ok(config) if bad.is_empty() => return Ok(config),
            Ok(_) => return Err(bad),
            Err(error) => {
                let setting = error.into_setting();
                let is_new = match setting.fault {
                    Fault::Missing => known.incomplete.insert(setting.place.clone()),
                    Fault::Unknown(_) | Fault::Unreadable(_) => known.left_out.insert(setting.place.clone()),
                };
                if !is_new {
                    return Err(bad);
                }
                // What is left out is missing then, which says nothing new.
                if setting.fault != Fault::Missing || !known.left_out.contains(&setting.place) {
                    bad.push(setting);
                }
            }
        }
    }
}

/// What was found before.
struct KnownFaults {
    /// The places of settings that are taken for absent.
    left_out: BTreeSet<String>,
    /// The places of missing settings.
    incomplete: BTreeSet<String>,
}

impl KnownFaults {
    /// What has something left out comes after what has not, and what is incomplete comes last.
    fn rank(&self, place: &str) -> u8 {
        let has = |places: &BTreeSet<String>| places.iter().any(|it| is_within(it, place));
        if has(&self.incomplete) { 2 } else { u8::from(has(&self.left_out)) }
    }
}

/// One value and its place.
#[derive(Clone)]
struct SettingReader<'a> {
    value: &'a Value,
    place: String,
    known: &'a KnownFaults,
}

impl<'a> SettingReader<'a> {
    fn new(value: &'a Value, place: String, known: &'a KnownFaults) -> Self {
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
            .map(|(name, value)| (name.as_str(), SettingReader::new(value, join(place, name), known)))
            .filter(|(_, entry)| !known.left_out.contains(&entry.place))
            .collect();
        entries.sort_by_key(|(_, entry)| known.rank(&entry.place));
        visitor.visit_map(TableEntries { entries: entries.into_iter(), value: None }).map_err(|error| error.at(place))
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

impl<'de> de::Deserializer<'de> for SettingReader<'_> {
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
        let items: Vec<_> = items.iter().map(|item| SettingReader::new(item, self.place.clone(), self.known)).collect();
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

impl IntoDeserializer<'_, ReadError> for SettingReader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn as_name(text: &str) -> StringDeserializer<ReadError> {
    text.to_owned().into_deserializer()
}

/// The entries of a table.
struct TableEntries<'a> {
    entries: std::vec::IntoIter<(&'a str, SettingReader<'a>)>,
    /// The value of the name that was read last.
    value: Option<SettingReader<'a>>,
}

impl<'de> de::MapAccess<'de> for TableEntries<'_> {
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
