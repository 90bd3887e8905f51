//! An account's own path for WeChat's deliveries, beside `/wechat/{account}`. No I/O.

use serde::Deserialize;

/// A path such as `/wx/callback`: 1 to 128 characters, in segments of letters, digits, `-`, `_` and `.`. It is none of
/// our own paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct DeliveryPath(String);

impl DeliveryPath {
    /// The path as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DeliveryPath {
    type Error = &'static str;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        let is_segment = |segment: &str| {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain)
        };
        let Some(segments) = path.strip_prefix('/').filter(|rest| rest.len() < 128 && rest.split('/').all(is_segment))
        else {
            return Err("must be a path such as /wx/callback, of letters, digits, -, _ and .");
        };
        match segments.split('/').next() {
            Some("wechat" | "v1" | "healthz" | "readyz") => {
                Err("must not begin with /wechat, /v1, /healthz or /readyz, which are ours")
            }
            _ => Ok(Self(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_plain_segments_and_is_none_of_our_own() {
        for path in ["/wx/callback", "/weChatNotice", "/a-b_c.d/1", "/wechats", &format!("/{}", "x".repeat(127))] {
            assert_eq!(DeliveryPath::try_from(path.to_owned()).unwrap().as_str(), path);
        }
        for path in [
            "",
            "/",
            "wx",
            "/wx/",
            "//wx",
            "/wx//callback",
            "/../wx",
            "/wx/.",
            "/{any}",
            "/*any",
            "/wx?a=b",
            "/w x",
            "/微信",
            "/%77x",
            "/wechat",
            "/wechat/demo",
            "/v1/redeem",
            "/healthz",
            "/readyz",
            &format!("/{}", "x".repeat(128)),
        ] {
            assert!(DeliveryPath::try_from(path.to_owned()).is_err(), "{path}");
        }
    }
}
