//! Where in the world an address is, by a database that the operator provides.

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc};

use maxminddb::{MaxMindDbError, Reader, geoip2};
use scenecast_scene::Language;
use serde::Deserialize;

/// A database of places in `MaxMind`'s format, such as `GeoLite2-City.mmdb`. It is read when the
/// configuration is, and held in memory.
#[derive(Clone, Deserialize)]
#[serde(try_from = "PathBuf")]
pub struct GeoDatabase(Arc<Reader<Vec<u8>>>);

impl TryFrom<PathBuf> for GeoDatabase {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        let read = Reader::open_readfile(&path).map_err(|error| match error {
            MaxMindDbError::Io(error) => format!("{}: {error}", path.display()),
            _ => format!("{} is not a database in MaxMind's format", path.display()),
        });
        Ok(Self(Arc::new(read?)))
    }
}

impl fmt::Debug for GeoDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0.metadata().database_type)
    }
}

impl GeoDatabase {
    /// City, region and country of this address, as far as the database knows them.
    pub(crate) fn place(&self, address: IpAddr, language: Language) -> Option<String> {
        let found = self.0.lookup(address.to_canonical()).ok()?;
        let found: geoip2::City<'_> = found.decode().ok()??;
        let name = |names: &geoip2::Names<'_>| match language {
            Language::Zh => names.simplified_chinese.or(names.english).map(str::to_owned),
            Language::En => names.english.map(str::to_owned),
        };
        let region = found.subdivisions.first().and_then(|region| name(&region.names));
        let mut parts: Vec<_> =
            [name(&found.country.names), region, name(&found.city.names)].into_iter().flatten().collect();
        // Some cities are also a region of the same name.
        parts.dedup();
        match language {
            Language::Zh => Some(parts.join(" ")),
            Language::En => {
                parts.reverse();
                Some(parts.join(", "))
            }
        }
        .filter(|place| !place.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &str) -> Result<GeoDatabase, String> {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path).try_into()
    }

    #[test]
    fn a_place_has_as_many_parts_as_the_database_knows() {
        let database = open("tests/fixtures/places.mmdb").unwrap();
        for (address, chinese, english) in [
            ("203.0.113.7", Some("中国 浙江 杭州"), Some("Hangzhou, Zhejiang, China")),
            ("::ffff:203.0.113.7", Some("中国 浙江 杭州"), Some("Hangzhou, Zhejiang, China")),
            ("198.51.100.1", Some("中国 上海"), Some("Shanghai, China")),
            ("2001:db8::1", Some("Germany"), Some("Germany")),
            ("192.0.2.1", None, None),
            ("127.0.0.1", None, None),
            ("fd00::1", None, None),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(database.place(address, Language::Zh).as_deref(), chinese, "{address}");
            assert_eq!(database.place(address, Language::En).as_deref(), english, "{address}");
        }
    }

    #[test]
    fn an_error_names_a_file_that_is_missing_or_no_database() {
        for (path, why) in [("nowhere.mmdb", "nowhere.mmdb: No such file"), ("Cargo.toml", "is not a database")] {
            let error = open(path).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
