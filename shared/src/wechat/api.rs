//! What WeChat's API answers.

use serde::Deserialize;

use crate::serve::Networks;

/// An error code of WeChat's API that somebody acts upon; see "Global return codes".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// −1: WeChat is busy; try again a little later.
    Busy,
    /// 40001, 40014, 41001, 42001: this access token isn't valid (any more).
    StaleToken,
    /// 45009: the day's quota of this call is used up.
    DayQuota,
    /// 45011: too many calls this minute.
    MinuteQuota,
    /// 48001, 48004, 50001: the account has no right to this call.
    Forbidden,
    /// 40002, 40013, 40125, 40164, 40243, 41002, 41004, 89503: app id, secret or address are not
    /// accepted; somebody has to change the configuration.
    Configuration,
    /// Any other.
    Other(i64),
}

impl Code {
    /// What this number means. On the token call 40001 says that the secret is wrong, so that
    /// caller has to read it as [`Code::Configuration`].
    pub fn from_number(number: i64) -> Self {
        match number {
            -1 => Self::Busy,
            40001 | 40014 | 41001 | 42001 => Self::StaleToken,
            45009 => Self::DayQuota,
            45011 => Self::MinuteQuota,
            48001 | 48004 | 50001 => Self::Forbidden,
            40002 | 40013 | 40125 | 40164 | 40243 | 41002 | 41004 | 89503 => Self::Configuration,
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
            Self::Configuration => "configuration",
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
        code: Code,
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
pub struct Token {
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

/// Where webhooks come from.
#[derive(Debug, Clone, Deserialize)]
pub struct CallbackIps {
    /// Addresses and networks.
    pub ip_list: Networks,
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
            code: Code::from_number(errcode),
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
        let token: Token = parse_answer(br#"{"access_token":"T","expires_in":7200}"#).ok().unwrap();
        assert_eq!((token.access_token.as_str(), token.expires_in), ("T", 7200));
        let refused = parse_answer::<QrCode>(br#"{"errcode":45009,"errmsg":"reach max api daily quota limit"}"#);
        assert!(matches!(refused, Err(ApiError::Refused { code: Code::DayQuota, number: 45009, .. })));
    }

    #[test]
    fn errcode_0_is_no_error() {
        assert!(parse_answer::<UserInfo>(br#"{"errcode":0,"errmsg":"ok","subscribe":1}"#).is_ok());
    }

    #[test]
    fn nonsense_is_measured_and_not_repeated() {
        for body in [&b""[..], b"<html>502</html>", b"null", b"[]", b"{}", b"\xff\xfe", b"{\"access_token\":5}"] {
            assert_eq!(parse_answer::<Token>(body).err(), Some(ApiError::Nonsense(body.len())));
        }
    }
}
