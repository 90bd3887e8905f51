//! The request with which WeChat's Cloud Hosting (微信云托管) checks that a container listens. It is not signed, and asks
//! for nothing.

use crate::xml::XmlElement;

const ACTION: &str = "CheckContainerPath";

/// Whether a body is this request. Its answer is [`crate::ACKNOWLEDGED`].
pub fn is_container_probe(body: &[u8]) -> bool {
    let from_json =
        || serde_json::from_slice::<serde_json::Value>(body).ok()?.get("action")?.as_str().map(ToOwned::to_owned);
    let from_xml = || XmlElement::read(body).ok()?.take_text("action").ok();
    from_xml().or_else(from_json).is_some_and(|action| action == ACTION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_recognised_in_both_forms() {
        for (body, is_probe) in [
            ("<xml><action>CheckContainerPath</action></xml>", true),
            ("<xml>\n<action><![CDATA[CheckContainerPath]]></action>\n</xml>", true),
            (r#"{"action":"CheckContainerPath"}"#, true),
            (r#"{"action":"checkcontainerpath"}"#, false),
            (r#"{"action":["CheckContainerPath"]}"#, false),
            ("<xml><ToUserName>gh_1</ToUserName></xml>", false),
            ("CheckContainerPath", false),
            ("", false),
        ] {
            assert_eq!(is_container_probe(body.as_bytes()), is_probe, "{body}");
        }
    }
}
