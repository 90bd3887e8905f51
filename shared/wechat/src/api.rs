//! What WeChat's API answers.

use serde::{Deserialize, Serialize};

use scenecast_scene::OpenId;

/// An error code of WeChat's API, by what there is to do about it; see "Global return codes".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// −1: WeChat is busy; try again a little later.
    Busy,
    /// 40001, 40014, 41001, 42001: this access token isn't valid (any more); get another.
    StaleToken,
    /// 45009: the day's quota of this call is used up, until midnight in China.
    DayQuota,
    /// 45011: too many calls this minute.
    MinuteQuota,
    /// 48001, 48004, 50001: the account has no right to this call, or was banned from it.
    Forbidden,
    /// 40002, 40013, 40125, 40243, 41002, 41004: app id or secret are wrong, missing or frozen; somebody
    /// has to change the configuration.
    Credentials,
    /// 40164: the address that the call came from isn't on the account's list; `errmsg` names it.
    Address,
    /// 89501, 89503, 89506, 89507: an administrator of the account has to allow the address, or has
    /// refused it, which blocks it for an hour and more.
    AddressUnconfirmed,
    /// 40003, 43004, 46004: nobody here has this openid, or they don't follow.
    NoSuchPerson,
    /// 40029: no such `js_code`, or it was too late for it.
    JsCodeInvalid,
    /// 40163: this `js_code` was traded before.
    JsCodeUsed,
    /// 40226: WeChat takes this person for a risk, and lets them log in nowhere.
    PersonBlocked,
    /// 40033, 40052, 40053, 40097, 40129, 40159, 40169, 41030, 43001, 43002, 45029, 47001: what was
    /// asked is wrong, and will be the next time: the mistake is ours, or in the configuration.
    Mistake,
    /// Any other.
    Other(i64),
}

impl ErrorCode {
    /// What this number means. On the token call 40001 says that the secret is wrong, so that
    /// caller has to read it as [`ErrorCode::Credentials`].
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

    /// Its word in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::StaleToken => "stale_token",
            Self::DayQuota => "day_quota",
            Self::MinuteQuota => "minute_quota",
            Self::Forbidden => "forbidden",
            Self::Credentials => "credentials",
            Self::Address => "address",
            Self::AddressUnconfirmed => "address_unconfirmed",
            Self::NoSuchPerson => "no_such_person",
            Self::JsCodeInvalid => "js_code_invalid",
            Self::JsCodeUsed => "js_code_used",
            Self::PersonBlocked => "person_blocked",
            Self::Mistake => "mistake",
            Self::Other(_) => "other",
        }
    }
}

/// Why an answer isn't the one asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// WeChat refused.
    #[error("WeChat answered {number}: {message}")]
    Refused {
        /// What to do about it.
        code: ErrorCode,
        /// `errcode`.
        number: i64,
        /// The beginning of `errmsg`.
        message: String,
    },
    /// Not what WeChat documents: HTML, nothing, another shape. Its content isn't repeated, since
    /// it may hold anything.
    #[error("WeChat's answer is not the JSON that was asked for ({0} bytes)")]
    Nonsense(usize),
}

/// `access_token` and its life in seconds.
#[derive(Clone, Deserialize)]
pub struct AccessToken {
    /// The token; up to 512 characters or more.
    pub access_token: String,
    /// At most 7200.
    pub expires_in: u64,
}

/// A QR code.
#[derive(Debug, Clone, Deserialize)]
pub struct QrCode {
    /// Fetches WeChat's picture of it. Not a secret: it can be guessed from the code.
    pub ticket: String,
    /// What the code says.
    pub url: String,
    /// How long it can be scanned, in seconds.
    #[serde(default)]
    pub expire_seconds: u64,
}

/// A follower, as far as WeChat tells. Name and avatar have been empty since 2021-12-27.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct UserInfo {
    /// 0: not following, and nothing else is told.
    #[serde(default)]
    pub subscribe: u8,
    /// The name, if any.
    #[serde(default)]
    pub nickname: String,
    /// The avatar's address, if any.
    #[serde(default)]
    pub headimgurl: String,
    /// Only where the account belongs to an Open Platform.
    #[serde(default)]
    pub unionid: Option<String>,
}

/// Who sent a `js_code`. WeChat's answer has a `session_key` too, which is nobody else's business: it isn't
/// even read.
#[derive(Clone, Serialize, Deserialize)]
pub struct JsCodeSession {
    /// Who that is to the mini program.
    pub openid: OpenId,
    /// Only where the mini program belongs to an Open Platform.
    #[serde(default)]
    pub unionid: Option<String>,
}

/// Where WeChat's messages come from.
#[derive(Debug, Clone, Deserialize)]
pub struct CallbackIps {
    /// Addresses and networks, as WeChat writes them.
    pub ip_list: Vec<String>,
}

/// Reads an answer: `T`, or the error that WeChat reports with status 200.
pub fn parse_answer<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    #[derive(Deserialize)]
    struct Failure {
        errcode: i64,
        #[serde(default)]
        errmsg: String,
    }
    match serde_json::from_slice::<Failure>(body) {
        Ok(Failure { errcode, errmsg }) if errcode != 0 => Err(ApiError::Refused {
            code: ErrorCode::from_number(errcode),
            number: errcode,
            message: errmsg.chars().filter(|c| !c.is_control()).take(200).collect(),
        }),
        _ => serde_json::from_slice(body).map_err(|_| ApiError::Nonsense(body.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_or_the_reason_there_is_none() {
        let token: AccessToken = parse_answer(br#"{"access_token":"T","expires_in":7200}"#).ok().unwrap();
        assert_eq!((token.access_token.as_str(), token.expires_in), ("T", 7200));
        let refused = parse_answer::<QrCode>(br#"{"errcode":45009,"errmsg":"reach max api daily quota limit"}"#);
        assert!(matches!(refused, Err(ApiError::Refused { code: ErrorCode::DayQuota, number: 45009, .. })));
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
    fn nonsense_is_measured_and_not_repeated() {
        for body in [&b""[..], b"<html>502</html>", b"null", b"[]", b"{}", b"\xff\xfe", b"{\"access_token\":5}"] {
            assert_eq!(parse_answer::<AccessToken>(body).err(), Some(ApiError::Nonsense(body.len())));
        }
    }
}
