//! The links in a reply that can be tapped. No I/O.
//!
//! Source: WeChat documents menu messages ("msgmenu") for its customer service API only. Many accounts put the same
//! links into an ordinary text, with their values escaped or not.

use percent_encoding::percent_decode_str;

/// A link in a text. A tap on it sends `content` to the account, as if the user had typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuLink {
    /// The text that is sent: `msgmenucontent`.
    pub content: String,
    /// The id by which the account knows that the link was tapped: `msgmenuid` here, `bizmsgmenuid` in the message.
    pub id: String,
    /// The label that the phone shows.
    pub label: String,
}

/// A part of a text as the phone shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextPart {
    Text(String),
    Menu(MenuLink),
    /// A link to a web page.
    Page {
        url: String,
        label: String,
    },
}

/// The menu links in a text, in order.
pub fn menu_links(text: &str) -> Vec<MenuLink> {
    let menu = |part| match part {
        TextPart::Menu(link) => Some(link),
        TextPart::Text(_) | TextPart::Page { .. } => None,
    };
    text_parts(text).into_iter().filter_map(menu).collect()
}

/// Splits a text at its links. A broken link stays text.
pub(crate) fn text_parts(text: &str) -> Vec<TextPart> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<a ") {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        if let Some((part, after)) = link(from) {
            if !plain.is_empty() {
                parts.push(TextPart::Text(std::mem::take(&mut plain)));
            }
            parts.push(part);
            rest = after;
        } else {
            plain.push_str("<a ");
            rest = &from["<a ".len()..];
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(TextPart::Text(plain));
    }
    parts
}

/// The link at the beginning of `from`, and the text after it.
fn link(from: &str) -> Option<(TextPart, &str)> {
    let quoted = from.strip_prefix("<a ")?.trim_start().strip_prefix("href=")?;
    let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (address, rest) = quoted[1..].split_once(quote)?;
    let (label, rest) = rest.split_once('>')?.1.split_once("</a>")?;
    let label = label.to_owned();
    let part = if let Some(query) = address.strip_prefix("weixin://bizmsgmenu?") {
        TextPart::Menu(MenuLink { content: value(query, "msgmenucontent")?, id: value(query, "msgmenuid")?, label })
    } else if address.starts_with("https://") || address.starts_with("http://") {
        TextPart::Page { url: address.to_owned(), label }
    } else {
        return None;
    };
    Some((part, rest))
}

/// The value with this name, unescaped; `None` if it is empty.
fn value(query: &str, name: &str) -> Option<String> {
    let escaped = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let value = percent_decode_str(escaped).decode_utf8().ok()?;
    if value.is_empty() { None } else { Some(value.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(content: &str, id: &str, label: &str) -> MenuLink {
        MenuLink { content: content.to_owned(), id: id.to_owned(), label: label.to_owned() }
    }

    #[test]
    fn menu_links_may_be_escaped_or_not() {
        for (text, links) in [
            ("no link", vec![]),
            (r#"<a href="weixin://bizmsgmenu?msgmenucontent=yes&msgmenuid=1">Yes</a>"#, vec![menu("yes", "1", "Yes")]),
            (
                "<a href=\"weixin://bizmsgmenu?msgmenucontent=是&msgmenuid=1\">是</a> or\n\
                 <a href='weixin://bizmsgmenu?msgmenuid=2&msgmenucontent=%E5%90%A6%20a+b'>否</a>",
                vec![menu("是", "1", "是"), menu("否 a+b", "2", "否")],
            ),
        ] {
            assert_eq!(menu_links(text), links, "{text}");
        }
    }

    #[test]
    fn a_broken_link_stays_text() {
        for text in [
            "<a href=\"weixin://bizmsgmenu?msgmenucontent=yes&msgmenuid=1\">no end",
            "<a href=\"weixin://bizmsgmenu?msgmenucontent=yes\">no id</a>",
            "<a href=\"weixin://bizmsgmenu?msgmenucontent=&msgmenuid=1\">no content</a>",
            "<a href=weixin://bizmsgmenu?msgmenucontent=yes&msgmenuid=1>no quotes</a>",
            "<a href=\"javascript:alert(1)\">another scheme</a>",
            "<a ",
            "1 < 2, <b>bold</b>",
        ] {
            assert_eq!(text_parts(text), [TextPart::Text(text.to_owned())]);
        }
        assert_eq!(text_parts(""), []);
    }

    #[test]
    fn text_and_links_keep_their_order() {
        let text = "a <a x\n<a href=\"https://x/?q=1\">page</a>, \
                    <a href=\"weixin://bizmsgmenu?msgmenucontent=y&msgmenuid=1\">Yes</a>!";
        assert_eq!(
            text_parts(text),
            [
                TextPart::Text("a <a x\n".into()),
                TextPart::Page { url: "https://x/?q=1".into(), label: "page".into() },
                TextPart::Text(", ".into()),
                TextPart::Menu(menu("y", "1", "Yes")),
                TextPart::Text("!".into()),
            ]
        );
    }
}
