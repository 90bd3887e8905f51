//! The answers of WeChat's API.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

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
    /// 45009: the quota of this call is used up: mostly until midnight in China, but it can end earlier. It says
    /// nothing about other calls. Where the same number means a quota by the minute, the call's reader says so:
    /// [`ErrorCode::by_the_minute`].
    DayQuota,
    /// 45011: too many calls this minute.
    MinuteQuota,
    /// 48001, 48004, 50001, 61007: the account has no permission for this call, or is banned from it.
    Forbidden,
    /// 50002, 50007: WeChat has restricted the account.
    Restricted,
    /// 40002, 40013, 40125, 40243, 41002, 41004: app id or secret is wrong, missing or frozen; the operator
    /// has to change the configuration.
    Credentials,
    /// 40164, 45035, 61004: the IP address of this call isn't on the account's allow-list; `errmsg` contains it.
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
            48001 | 48004 | 50001 | 61007 => Self::Forbidden,
            50002 | 50007 => Self::Restricted,
            40002 | 40013 | 40125 | 40243 | 41002 | 41004 => Self::Credentials,
            40164 | 45035 | 61004 => Self::Address,
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

    /// What this code means in the answer of a call whose 45009 is about a quota by the minute.
    #[must_use]
    pub fn by_the_minute(self) -> Self {
        if self == Self::DayQuota { Self::MinuteQuota } else { self }
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

impl ApiError {
    /// The same error, with what its code means in the answer of this call.
    #[must_use]
    pub fn with_code(self, meaning: impl FnOnce(ErrorCode) -> ErrorCode) -> Self {
        match self {
            Self::Refused { code, number, message } => Self::Refused { code: meaning(code), number, message },
            malformed @ Self::Malformed(_) => malformed,
        }
    }
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

/// A user of an account. WeChat has left name and avatar empty since 2021-12-27. A field that can't be read counts as
/// empty, and doesn't hide the others: a name may be cut inside an emoji.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<String, Box<RawValue>>")]
pub struct UserInfo {
    /// 0 if the user isn't a follower. Then the other fields are empty.
    pub subscribe: u8,
    pub nickname: String,
    /// The URL of the avatar.
    pub headimgurl: String,
    /// Only if the account belongs to an Open Platform. Never empty.
    pub unionid: Option<String>,
}

impl From<BTreeMap<String, Box<RawValue>>> for UserInfo {
    fn from(fields: BTreeMap<String, Box<RawValue>>) -> Self {
        fn read<T: DeserializeOwned + Default>(fields: &BTreeMap<String, Box<RawValue>>, name: &str) -> T {
            fields.get(name).and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
        }
        Self {
            subscribe: read(&fields, "subscribe"),
            nickname: read(&fields, "nickname"),
            headimgurl: read(&fields, "headimgurl"),
            unionid: present(read(&fields, "unionid")),
        }
    }
}

/// The person who sent a `js_code`. WeChat's answer contains a `session_key`, too. It is a secret that we don't need, so it
/// isn't read.
#[derive(Clone, Serialize, Deserialize)]
pub struct JsCodeSession {
    /// The person's id in the mini program.
    pub openid: OpenId,
    /// Only if the mini program belongs to an Open Platform. Never empty.
    #[serde(default, deserialize_with = "read_unionid")]
    pub unionid: Option<String>,
}

/// Reads a `unionid`. An empty one is none: otherwise a site would take all people who have none for one person. So is
/// anything that is no text.
pub fn read_unionid<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(present(value.as_str().map(ToOwned::to_owned)))
}

fn present(unionid: Option<String>) -> Option<String> {
    unionid.filter(|unionid| !unionid.trim().is_empty())
}

/// The addresses from which WeChat sends messages.
#[derive(Debug, Clone, Deserialize)]
pub struct CallbackIps {
    /// IP addresses and networks, as WeChat writes them. What isn't a text is left out.
    #[serde(deserialize_with = "texts")]
    pub ip_list: Vec<String>,
}

fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let values = Vec::<serde_json::Value>::deserialize(from)?;
    Ok(values.iter().filter_map(|value| value.as_str().map(ToOwned::to_owned)).collect())
}

/// Reads an answer. WeChat sends its errors with status 200, too; they are returned as [`ApiError::Refused`]. WeChat
/// copies control characters of people's names into its JSON, which forbids them, and may cut a name inside a
/// character: neither makes the rest unreadable.
pub fn parse_answer<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    #[derive(Default, Deserialize)]
    struct ErrorAnswer<'a> {
        #[serde(borrow)]
        errcode: Option<&'a RawValue>,
        #[serde(borrow)]
        errmsg: Option<&'a RawValue>,
    }
    let malformed = ApiError::Malformed(body.len());
    let text = String::from_utf8_lossy(body).replace(|c: char| c.is_ascii_control(), " ");
    let ErrorAnswer { errcode, errmsg } = serde_json::from_str(&text).unwrap_or_default();
    match errcode.map(whole_number) {
        None | Some(Some(0)) => serde_json::from_str(&text).map_err(|_| malformed),
        Some(Some(number)) => {
            let message: String = errmsg.and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default();
            Err(ApiError::Refused {
                code: ErrorCode::from_number(number),
                number,
                message: message.chars().filter(|c| !c.is_control()).take(200).collect(),
            })
        }
        // It says something of an error, so nothing else in it is believed.
        Some(None) => Err(malformed),
    }
}

/// The number of an `errcode`. What passes WeChat's answers on may write it as a text, or with a fraction.
fn whole_number(errcode: &RawValue) -> Option<i64> {
    let number = errcode.get().trim_matches(['"', ' ']);
    number.strip_suffix(".0").unwrap_or(number).parse().ok()
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
            (61007, "forbidden"),
            (50002, "restricted"),
            (50007, "restricted"),
            (45035, "address"),
            (61004, "address"),
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
        for errcode in ["0", "\"0\"", "0.0", "null"] {
            for errmsg in ["\"ok\"", "null", "7"] {
                let answer = format!(r#"{{"errcode":{errcode},"errmsg":{errmsg},"subscribe":1}}"#);
                let read = parse_answer::<UserInfo>(answer.as_bytes());
                assert_eq!(read.map(|person| person.subscribe), Ok(1), "{answer}");
            }
        }
    }

    #[test]
    fn an_error_is_read_however_its_fields_are_written() {
        for errcode in ["40003", "\"40003\"", "\" 40003 \"", "40003.0"] {
            for errmsg in [
                "",
                ",\"errmsg\":null",
                ",\"errmsg\":7",
                ",\"errmsg\":[]",
                ",\"errmsg\":\"\\ud83d\"",
                ",\"errmsg\":\"invalid\\u0007\"",
            ] {
                let answer = format!("{{\"errcode\":{errcode}{errmsg}}}");
                let read = parse_answer::<UserInfo>(answer.as_bytes());
                let Err(ApiError::Refused { code, number, message }) = read else { panic!("{answer}: {read:?}") };
                assert_eq!((code, number), (ErrorCode::NoSuchPerson, 40003), "{answer}");
                assert_eq!(message.is_empty(), !answer.contains("invalid"), "{answer}");
            }
        }
        for errcode in ["true", "\"x\"", "\"\"", "[]", "{}", "1.5", "1e999", "99999999999999999999"] {
            let answer = format!("{{\"errcode\":{errcode},\"subscribe\":1}}");
            let read = parse_answer::<UserInfo>(answer.as_bytes());
            assert_eq!(read, Err(ApiError::Malformed(answer.len())), "{answer}");
        }
    }

    #[test]
    fn what_can_be_read_of_a_person_is_read() {
        let read = |answer: &[u8]| parse_answer::<UserInfo>(answer).unwrap();
        let ann = UserInfo {
            subscribe: 1,
            nickname: "Ann".to_owned(),
            headimgurl: "https://x.qlogo.cn/1".to_owned(),
            unionid: Some("oUnion".to_owned()),
        };
        let whole =
            r#"{"subscribe":1,"nickname":"Ann","headimgurl":"https://x.qlogo.cn/1","unionid":"oUnion","sex":0}"#;
        assert_eq!(read(whole.as_bytes()), ann);
        let nameless = UserInfo { nickname: String::new(), ..ann.clone() };
        for odd in ["null", "7", "true", "[]", "{\"a\":1}", "\"\\ud83d\"", "1e999"] {
            assert_eq!(read(whole.replace("\"Ann\"", odd).as_bytes()), nameless, "nickname {odd}");
            assert_eq!(read(whole.replace(":0}", &format!(":{odd}}}")).as_bytes()), ann, "sex {odd}");
        }
        for odd in ["null", "\"1\"", "-1", "256", "1.5", "true"] {
            let unknown = UserInfo { subscribe: 0, ..ann.clone() };
            assert_eq!(read(whole.replace(":1,", &format!(":{odd},")).as_bytes()), unknown, "subscribe {odd}");
        }
        assert_eq!(read(b"{\"subscribe\":1,\"nickname\":\"An\xf0\x9f\",\"unionid\":\"oUnion\"}").unionid, ann.unionid);
        assert_eq!(read(b"{\"subscribe\":1,\"nickname\":\"A\x01\nn\"}").nickname, "A  n");
        assert_eq!(read(b"{}"), UserInfo::default());
    }

    #[test]
    fn an_empty_unionid_is_none() {
        for (written, read) in
            [("\"\"", None), ("\" \"", None), ("null", None), ("0", None), ("\"oUnion\"", Some("oUnion"))]
        {
            let answer = format!("{{\"openid\":\"oAnn\",\"unionid\":{written}}}");
            let session: JsCodeSession = parse_answer(answer.as_bytes()).ok().unwrap();
            assert_eq!(session.unionid.as_deref(), read, "{written}");
            let info: UserInfo = parse_answer(answer.as_bytes()).unwrap();
            assert_eq!(info.unionid.as_deref(), read, "{written}");
        }
    }

    #[test]
    fn one_odd_address_does_not_hide_the_others() {
        let told: CallbackIps = parse_answer(br#"{"ip_list":["101.226.103.0/25",null,7,"odd"]}"#).unwrap();
        assert_eq!(told.ip_list, ["101.226.103.0/25", "odd"]);
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
