//! What is wrong with a request to open a scene. It is only looked for once a request can't be read. No I/O.
//!
//! Nothing of the request is in the text: its `state` is a secret, and the rest is a stranger's.

use scenecast_scene::AccountName;
use serde_json::Value;

use super::request::{Locale, SiteState};

const FIELDS: [&str; 3] = ["account", "state", "locale"];

/// What is wrong with the JSON of an [`OpenRequest`](super::OpenRequest), for the page's developer.
pub(crate) fn open_fault(json: &[u8]) -> &'static str {
    serde_json::from_slice(json)
        .map_or("expected JSON with account, and perhaps state and locale", |open| fault_of_value(&open))
}

/// The same for JSON that has been read.
pub(crate) fn fault_of_value(open: &Value) -> &'static str {
    let Some(fields) = open.as_object() else { return "expected an object with account, and perhaps state and locale" };
    let account = fields.get("account").unwrap_or(&Value::Null);
    let is_text = |name| matches!(fields.get(name), None | Some(Value::Null | Value::String(_)));
    let can_be = |name, check: fn(String) -> bool| match fields.get(name) {
        Some(Value::String(text)) => check(text.clone()),
        _ => true,
    };
    if account.is_null() {
        "account is missing"
    } else if account.as_str().is_none_or(|account| account.parse::<AccountName>().is_err()) {
        "account has to be a string of 1 to 32 of a-z, 0-9 and -"
    } else if !is_text("state") || !can_be("state", |state| SiteState::try_from(state).is_ok()) {
        "state has to be a string of 1 to 256 bytes"
    } else if !is_text("locale") || !can_be("locale", |locale| Locale::try_from(locale).is_ok()) {
        "locale has to be a language tag such as zh-CN, of at most 35 bytes"
    } else if fields.keys().any(|name| !FIELDS.contains(&name.as_str())) {
        "there is a field beside account, state and locale"
    } else {
        "account, state and locale have to be given once"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::OpenRequest;

    #[test]
    fn each_field_that_is_wrong_is_named() {
        let long = format!(r#"{{"account":"demo","state":"{}"}}"#, "x".repeat(257));
        for (json, named) in [
            ("", "expected JSON"),
            ("{", "expected JSON"),
            ("[]", "expected an object"),
            ("\"demo\"", "expected an object"),
            ("{}", "account is missing"),
            (r#"{"account":null}"#, "account is missing"),
            (r#"{"account":7}"#, "account has to be"),
            (r#"{"account":"Demo!"}"#, "account has to be"),
            (r#"{"account":"demo","state":""}"#, "state has to be"),
            (r#"{"account":"demo","state":7}"#, "state has to be"),
            (r#"{"account":"demo","state":{"id":1}}"#, "state has to be"),
            (&long, "state has to be"),
            (r#"{"account":"demo","locale":"Chinese (simplified)"}"#, "locale has to be"),
            (r#"{"account":"demo","locale":7}"#, "locale has to be"),
            (r#"{"account":"demo","locale":""}"#, "locale has to be"),
            (r#"{"account":"demo","locale":".UTF-8"}"#, "locale has to be"),
            (r#"{"account":"demo","scene":"x"}"#, "there is a field"),
            (r#"{"account":"demo","account":"demo"}"#, "have to be given once"),
        ] {
            assert!(serde_json::from_str::<OpenRequest>(json).is_err(), "{json}");
            assert!(open_fault(json.as_bytes()).contains(named), "{json}: {}", open_fault(json.as_bytes()));
        }
    }

    #[test]
    fn a_locale_may_be_written_as_posix_does() {
        for locale in ["zh-CN", "zh_CN", "zh_CN.UTF-8", "de_DE@euro", "en"] {
            let json = format!(r#"{{"account":"demo","locale":"{locale}"}}"#);
            assert!(serde_json::from_str::<OpenRequest>(&json).is_ok(), "{locale}");
        }
    }
}
