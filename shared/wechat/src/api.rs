//! The answers of WeChat's API.

use serde::{Deserialize, Serialize};

use scenecast_scene::OpenId;

/// An error code of WeChat's API, grouped by what can be done about it. See "Global return codes" in WeChat's documents.
/// Its text is a label of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ErrorCode {
    /// −1: WeChat is busy; try again a little later.
    Busy,
    /// 40001, 40014, 41001, 42001: the access token is invalid or has expired; get a new one.
    StaleToken,
    /// 45009: the daily quota of this call is used up until midnight in China.
    DayQuota,
    /// 45011: too many calls this minute.
    MinuteQuota,
    /// 48001, 48004, 50001: the account has no permission for this call, or is banned from it.
    Forbidden,
    /// 40002, 40013, 40125, 40243, 41002, 41004: app id or secret is wrong, missing or frozen; the operator
    /// has to change the configuration.
    Credentials,
    /// 40164: the IP address of this call isn't on the account's allow-list; `errmsg` contains it.
    Address,
    /// 89501, 89503, 89506, 89507: an administrator of the account has to allow the IP address, or has refused it. A refused
    /// address is blocked for an hour or longer.
    AddressUnconfirmed,
    /// 40003, 43004, 46004: no user of the account has this openid, or the user isn't a follower.
    NoSuchPerson,
    /// 40029: the `js_code` doesn't exist or has expired.
    JsCodeInvalid,
    /// 40163: the `js_code` was used before.
    JsCodeUsed,
    /// 40226: WeChat considers this person a risk, and blocks their logins everywhere.
    PersonBlocked,
    /// 40033, 40052, 40053, 40097, 40129, 40159, 40169, 41030, 43001, 43002, 45029, 47001: the request
    /// itself is wrong, so a retry doesn't help: this is a bug, or a wrong configuration.
    Mistake,
    Other(i64),
}

impl ErrorCode {
    /// The group of an `errcode`. In answers to the token call, 40001 means a wrong secret, so that caller has to treat it as
    /// [`ErrorCode::Credentials`].
    pub fn from_number(number: i64) -> Self {
        match number {
            -1 => Self::Busy,
            40001 | 40014 | 41001 | 42001 => Self::StaleToken,
            45009 => Self::DayQuota,
            45011 => Self::MinuteQuota,
            48001 | 48004 | 50001 => Self::Forbidden,
            40002 | 40013 | 40125 | 40243 | 41002 | 41004 => Self::Credentials,
            40164 => Self::Address,
            89501 | 89503 | 89506 | 89507 => Self::AddressUnconfirmed,
            40003 | 43004 | 46004 => Self::NoSuchPerson,
            40029 => Self::JsCodeInvalid,
            40163 => Self::JsCodeUsed,
            40226 => Self::PersonBlocked,
            40033 | 40052 | 40053 | 40097 | 40129 | 40159 | 40169 | 41030 | 43001 | 43002 | 45029 | 47001 => {
                Self::Mistake
            }
            other => Self::Other(other),
        }
    }

    /// Its label in metrics.
    pub fn label(self) -> &'static str {
        self.into()
    }
}

/// Why an answer doesn't contain what was requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// WeChat reports an error.
    #[error("WeChat answered {number}: {message}")]
    Refused {
        code: ErrorCode,
        number: i64,
        /// The first 200 characters of `errmsg`, without control characters.
        message: String,
    },
    /// The answer isn't what WeChat documents: it is HTML, or empty, or has another structure. The error holds only its
    /// length in bytes, and not the parser's error, because an answer may contain a secret.
    #[error("WeChat's answer is not the JSON that was asked for ({0} bytes)")]
    Malformed(usize),
}

/// An access token for WeChat's API. `Debug` is not implemented, because it is a secret.
#[derive(Clone, Deserialize)]
pub struct AccessToken {
    /// The token, mostly up to 512 characters.
    pub access_token: String,
    /// Its life in seconds, at most 7200.
    pub expires_in: u64,
}

/// A QR code that WeChat has registered.
#[derive(Debug, Clone, Deserialize)]
pub struct QrCode {
    /// WeChat's id of the code, to download a picture of it. Not a secret: it can be derived from the code.
    pub ticket: String,
    /// The content of the code.
    pub url: String,
    /// How long it can be scanned, in seconds.
    #[serde(default)]
    pub expire_seconds: u64,
}

/// A user of an account. WeChat has left name and avatar empty since 2021-12-27.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct UserInfo {
    /// 0 if the user isn't a follower. Then the other fields are empty.
    #[serde(default)]
    pub subscribe: u8,
    #[serde(default)]
    pub nickname: String,
    /// The URL of the avatar.
    #[serde(default)]
    pub headimgurl: String,
    /// Only if the account belongs to an Open Platform.
    #[serde(default)]
    pub unionid: Option<String>,
}

/// The person who sent a `js_code`. WeChat's answer contains a `session_key`, too. It is a secret that we don't need, so it
/// isn't read.
#[derive(Clone, Serialize, Deserialize)]
pub struct JsCodeSession {
    /// The person's id in the mini program.
    pub openid: OpenId,
    /// Only if the mini program belongs to an Open Platform.
    #[serde(default)]
    pub unionid: Option<String>,
}

/// The addresses from which WeChat sends messages.
#[derive(Debug, Clone, Deserialize)]
pub struct CallbackIps {
    /// IP addresses and networks, as WeChat writes them.
    pub ip_list: Vec<String>,
}

/// Reads an answer. WeChat sends its errors with status 200, too; they are returned as [`ApiError::Refused`].
pub fn parse_answer<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    #[derive(Deserialize)]
    struct ErrorAnswer {
        errcode: i64,
        #[serde(default)]
        errmsg: String,
    }
    match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(ErrorAnswer { errcode, errmsg }) if errcode != 0 => Err(ApiError::Refused {
            code: ErrorCode::from_number(errcode),
            number: errcode,
            message: errmsg.chars().filter(|c| !c.is_control()).take(200).collect(),
        }),
        _ => serde_json::from_slice(body).map_err(|_| ApiError::Malformed(body.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_or_its_error_is_returned() {
        let token: AccessToken = parse_answer(br#"{"access_token":"T","expires_in":7200}"#).ok().unwrap();
        assert_eq!((token.access_token.as_str(), token.expires_in), ("T", 7200));
        let refused = parse_answer::<QrCode>(br#"{"errcode":45009,"errmsg":"reach max api daily quota limit"}"#);
        assert!(matches!(refused, Err(ApiError::Refused { code: ErrorCode::DayQuota, number: 45009, .. })));
    }

    #[test]
    fn each_group_of_errors_has_its_label() {
        for (number, label) in [
            (-1, "busy"),
            (42001, "stale_token"),
            (45009, "day_quota"),
            (45011, "minute_quota"),
            (48001, "forbidden"),
            (40125, "credentials"),
            (40164, "address"),
            (89503, "address_unconfirmed"),
            (43004, "no_such_person"),
            (40029, "js_code_invalid"),
            (40163, "js_code_used"),
            (40226, "person_blocked"),
            (47001, "mistake"),
            (12345, "other"),
        ] {
            assert_eq!(ErrorCode::from_number(number).label(), label);
        }
    }

    #[test]
    fn errcode_0_is_no_error() {
        assert!(parse_answer::<UserInfo>(br#"{"errcode":0,"errmsg":"ok","subscribe":1}"#).is_ok());
    }

    #[test]
    fn a_session_key_is_not_read() {
        let answer = br#"{"session_key":"tiihtNczf5v6AKRyjwEUhQ==","openid":"oAnn","unionid":"oUnion"}"#;
        let session: JsCodeSession = parse_answer(answer).ok().unwrap();
        assert_eq!(serde_json::to_string(&session).unwrap(), r#"{"openid":"oAnn","unionid":"oUnion"}"#);
    }

    #[test]
    fn a_malformed_answer_is_not_repeated_in_the_error() {
        for body in [&b""[..], b"<html>502</html>", b"null", b"[]", b"{}", b"\xff\xfe", b"{\"access_token\":5}"] {
            assert_eq!(parse_answer::<AccessToken>(body).err(), Some(ApiError::Malformed(body.len())));
        }
    }
}
