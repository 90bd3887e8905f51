//! The files that pages load from a gateway: modules, and their types. Each is served compressed, with an entity tag, and
//! under two addresses:
//!
//! | address | what a browser keeps |
//! |---|---|
//! | `/v1/scenecast.js` | for five minutes; then it asks whether the file has changed |
//! | `/v1/modules/<version>/scenecast.js` | for ever, if the pod has this version; otherwise the pod's own is not kept |
//!
//! The first names the second in `Content-Location`.
//!
//! See docs/decisions/133-a-modules-version-is-its-content.md.

use std::{io::Write, sync::LazyLock};

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use super::page_module::{login_box_module, page_module};

const SCRIPT: &str = "text/javascript; charset=utf-8";
/// As TypeScript's own files are served. Browsers don't load it.
const TYPES: &str = "application/typescript; charset=utf-8";
const FOR_MINUTES: &str = "public, max-age=300";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Another pod of a rolling deployment may have the version that was asked for.
const NOT_KEPT: &str = "no-cache";

static FILES: LazyLock<[PageFile; 4]> = LazyLock::new(|| {
    [
        PageFile::new("scenecast.js", SCRIPT, page_module()),
        PageFile::new("scenecast.d.ts", TYPES, include_str!("../../web/served/scenecast.d.ts")),
        PageFile::new("scenecast-login.js", SCRIPT, login_box_module()),
        PageFile::new("scenecast-login.d.ts", TYPES, include_str!("../../web/served/scenecast-login.d.ts")),
    ]
});

/// The version of this pod's files: that of the release, and a digest of their content.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = FILES.iter().fold(Sha256::new(), |digest, file| digest.chain_update(file.text));
    format!("{}-{}", env!("CARGO_PKG_VERSION"), hex::encode(&digest.finalize()[..6]))
});

/// The routes of the files. Pages of any origin may load them: the origin is checked when a page opens a scene.
pub(super) fn routes() -> Router {
    FILES.iter().fold(Router::new(), |router, file| {
        let latest = async |headers: HeaderMap| file.answer(&headers, FOR_MINUTES);
        let versioned = async |Path(version): Path<String>, headers: HeaderMap| {
            file.answer(&headers, if version == *VERSION { FOR_EVER } else { NOT_KEPT })
        };
        router
            .route(&format!("/v1/{}", file.name), get(latest))
            .route(&format!("/v1/modules/{{version}}/{}", file.name), get(versioned))
    })
}

/// A file, as it is sent.
struct PageFile {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
    gzipped: Vec<u8>,
    digest: String,
}

impl PageFile {
    fn new(name: &'static str, media_type: &'static str, text: &'static str) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let written = encoder.write_all(text.as_bytes());
        let gzipped = written.and_then(|()| encoder.finish()).expect("memory takes what is written");
        let digest = hex::encode(&Sha256::digest(text)[..12]);
        Self { name, media_type, text, gzipped, digest }
    }

    fn answer(&'static self, request: &HeaderMap, cache: &'static str) -> Response {
        let is_compressed = accepts_gzip(request);
        // A strong tag is one of bytes, so each form has its own.
        let tag = format!("\"{}{}\"", self.digest, if is_compressed { "-gzip" } else { "" });
        let headers = [
            (header::ETAG, tag.clone()),
            (header::CACHE_CONTROL, cache.to_owned()),
            (header::VARY, header::ACCEPT_ENCODING.to_string()),
            (header::CONTENT_LOCATION, format!("/v1/modules/{}/{}", *VERSION, self.name)),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
        ];
        if has_tag(request, &tag) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        let own = [(header::CONTENT_TYPE, self.media_type), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
        if is_compressed {
            let encoding = [(header::CONTENT_ENCODING, "gzip")];
            return (headers, own, encoding, self.gzipped.as_slice()).into_response();
        }
        (headers, own, self.text).into_response()
    }
}

/// Whether the client takes gzip: it names it, or anything, and not with a weight of 0.
fn accepts_gzip(request: &HeaderMap) -> bool {
    items(request, &header::ACCEPT_ENCODING).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        is_gzip && weight != Some(0.0)
    })
}

/// Whether the client already has the file with this tag. A proxy that compresses makes strong tags weak.
fn has_tag(request: &HeaderMap, tag: &str) -> bool {
    items(request, &header::IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// The items of a header that is a list.
fn items<'a>(request: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = request.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::http::HeaderValue;
    use flate2::read::GzDecoder;

    use super::*;

    fn request(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_sent_to_clients_that_take_it() {
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000, br", false),
            ("identity", false),
            ("xgzip", false),
            ("", false),
            ("gzip;q=nonsense", true),
        ] {
            assert_eq!(accepts_gzip(&request(header::ACCEPT_ENCODING, accepted)), expected, "{accepted}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_tag_is_known_however_it_is_written() {
        for (known, expected) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("*", true),
            ("\"a-gzip\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(has_tag(&request(header::IF_NONE_MATCH, known), "\"a\""), expected, "{known}");
        }
    }

    #[test]
    fn what_is_compressed_is_the_file() {
        for file in FILES.iter() {
            let mut text = String::new();
            GzDecoder::new(file.gzipped.as_slice()).read_to_string(&mut text).expect("gzip");
            assert_eq!(text, file.text);
        }
    }
}
