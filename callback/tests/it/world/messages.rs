//! WeChat's messages, written and signed by hand, and our answers to them.

use scenecast_simulator::{DeliveryOutcome, PhoneScreen};
use scenecast_wechat::sign;

use super::{ORIGINAL_ID, TOKEN, unix_now};

/// A query that WeChat signed now.
pub(crate) fn signed() -> String {
    signed_by(TOKEN, unix_now().as_secs())
}

/// A query signed with this token, at this time.
pub(crate) fn signed_by(token: &str, timestamp: u64) -> String {
    let (timestamp, nonce) = (timestamp.to_string(), rand::random::<u32>().to_string());
    let signature = sign(&[token, &timestamp, &nonce]);
    format!("signature={signature}&timestamp={timestamp}&nonce={nonce}")
}

/// An event of a person who doesn't exist, sent now.
pub(crate) fn event(event: &str, key: &str) -> String {
    event_at(unix_now().as_secs(), event, key)
}

/// The same, sent at this time.
pub(crate) fn event_at(created: u64, event: &str, key: &str) -> String {
    event_from("oNobody", created, event, key)
}

/// An event of this person, sent at this time.
pub(crate) fn event_from(openid: &str, created: u64, event: &str, key: &str) -> String {
    format!(
        "<xml><ToUserName><![CDATA[{ORIGINAL_ID}]]></ToUserName><FromUserName><![CDATA[{openid}]]></FromUserName>\
         <CreateTime>{created}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{event}]]></Event>\
         <EventKey><![CDATA[{key}]]></EventKey></xml>"
    )
}

/// The same message with further elements.
pub(crate) fn with_elements(message: &str, elements: &str) -> String {
    message.replace("</xml>", &format!("{elements}</xml>"))
}

/// A text of a person who doesn't exist, sent at this time.
pub(crate) fn text_at(created: u64, content: &str) -> String {
    format!(
        "<xml><ToUserName>{ORIGINAL_ID}</ToUserName><FromUserName>oNobody</FromUserName><CreateTime>{created}</CreateTime>\
         <MsgType>text</MsgType><Content><![CDATA[{content}]]></Content><MsgId>{}</MsgId></xml>",
        rand::random::<u32>()
    )
}

/// What the phone shows.
pub(crate) fn reply(outcome: &DeliveryOutcome) -> &str {
    match &outcome.shown {
        PhoneScreen::Reply(text) => text,
        other => panic!("no reply: {other:?}"),
    }
}

/// What the answer to a delivery says to the phone; nothing if it only acknowledges.
pub(crate) fn said(answered: &str) -> &str {
    let content = answered.split_once("<Content><![CDATA[").and_then(|(_, rest)| rest.split_once("]]></Content>"));
    content.map_or("", |(content, _)| content)
}
