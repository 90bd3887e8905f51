//! What the texts of each kind of compatible route mean to its page. No I/O.

use serde_json::Value;

use crate::{plan::WayIn, targets::target::Heard};

/// What the page has to poll for is not there yet.
const NOT_YET: u64 = 10024;

/// What a text on the page's socket or stream, or the answer to its poll, tells it; `None` if it is no news.
pub(super) fn heard(way: WayIn, id: &str, text: &str) -> Option<Heard> {
    let login = |grant: Option<&str>| Some(Heard::Login { grant: grant.map(str::to_owned) });
    let over = |code: &str| Some(Heard::Over { code: code.to_owned() });
    match way {
        // The text is the person's name, and the page asks for its grant by its id.
        WayIn::PathSocket => login(Some(id)),
        WayIn::ClientIdSocket => login(json(text)["grant"].as_str()),
        // This page learns nothing but a name.
        WayIn::QrOnOpen => (json(text)["message_type"] == "scan_success").then_some(Heard::Login { grant: None }),
        WayIn::TypedCode => match text.split_once('#') {
            Some(("login", cookie)) => {
                let grant = cookie.split(';').next().and_then(|cookie| Some(cookie.split_once('=')?.1));
                login(grant)
            }
            Some(("refresh" | "init", _)) => over("another code"),
            _ => None,
        },
        WayIn::TicketPolling => {
            let answer = json(text);
            match (answer["code"].as_u64(), answer["data"]["openId"].as_str()) {
                (Some(NOT_YET), _) => None,
                (Some(200), Some(grant)) => login(Some(grant)),
                (code, _) => over(&format!("code {}", code.unwrap_or_default())),
            }
        }
        WayIn::WebSocket | WayIn::Sse | WayIn::Poll => None,
    }
}

/// The JSON in a text; null if it is none.
pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_page_hears_its_login_and_what_ends_its_wait() {
        let login = |grant: &str| Some(Heard::Login { grant: Some(grant.to_owned()) });
        let over = |code: &str| Some(Heard::Over { code: code.to_owned() });
        let polled = r#"{"code":200,"data":{"openId":"g","state":1},"msg":"ok"}"#;
        for (way, text, expected) in [
            (WayIn::PathSocket, "张三", login("17")),
            (WayIn::ClientIdSocket, r#"{"openid":"g","nickname":"Ann","grant":"g"}"#, login("g")),
            (WayIn::QrOnOpen, r#"{"message_type":"scan_success","user":"Ann"}"#, Some(Heard::Login { grant: None })),
            (WayIn::QrOnOpen, r#"{"message_type":"qrcode_url","url":"u"}"#, None),
            (WayIn::TypedCode, "login#scenecast_grant=g; SameSite=Lax; Path=/", login("g")),
            (WayIn::TypedCode, "login#__Host-scenecast_grant=g; Secure", login("g")),
            (WayIn::TypedCode, "scan", None),
            (WayIn::TypedCode, "initCode!", None),
            (WayIn::TypedCode, "refresh#12345678", over("another code")),
            (WayIn::TypedCode, "init#12345678", over("another code")),
            (WayIn::TicketPolling, r#"{"code":10024,"data":null,"msg":"x"}"#, None),
            (WayIn::TicketPolling, polled, login("g")),
            (WayIn::TicketPolling, r#"{"code":400,"data":null}"#, over("code 400")),
            (WayIn::TicketPolling, "<html>", over("code 0")),
        ] {
            assert_eq!(heard(way, "17", text), expected, "{way} {text}");
        }
    }
}
