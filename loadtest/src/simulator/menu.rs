//! What can be tapped in a text that an account sent. No I/O.
//!
//! Facts: WeChat documents menu messages for its customer service API ("msgmenu") only; the same
//! links inside a text are seen in many accounts, with their values escaped or not.

use percent_encoding::percent_decode_str;

/// A link in a text: tapping it sends `content` to the account, as if it had been typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuLink {
    /// What is sent: `msgmenucontent`.
    pub content: String,
    /// What tells the account that it was tapped: `msgmenuid`, `bizmsgmenuid` in the message.
    pub id: String,
    /// What the text shows.
    pub label: String,
}

/// A part of a text as the phone shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Menu(MenuLink),
    /// A link to a page.
    Page {
        url: String,
        label: String,
    },
}

/// The links in a text that send something to the account, in order.
pub fn menu_links(text: &str) -> Vec<MenuLink> {
    let menu = |part| match part {
        Part::Menu(link) => Some(link),
        Part::Text(_) | Part::Page { .. } => None,
    };
    parts(text).into_iter().filter_map(menu).collect()
}

/// A text, cut where its links begin and end. What is no whole link is text.
pub(crate) fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<a ") {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        if let Some((part, after)) = link(from) {
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
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
        parts.push(Part::Text(plain));
    }
    parts
}

/// The link that `from` begins with, and what comes after it.
fn link(from: &str) -> Option<(Part, &str)> {
    let quoted = from.strip_prefix("<a ")?.trim_start().strip_prefix("href=")?;
    let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (address, rest) = quoted[1..].split_once(quote)?;
    let (label, rest) = rest.split_once('>')?.1.split_once("</a>")?;
    let label = label.to_owned();
    let part = if let Some(query) = address.strip_prefix("weixin://bizmsgmenu?") {
        let value = |name: &str| {
            let escaped = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
            let value = percent_decode_str(escaped).decode_utf8().ok()?;
            (!value.is_empty()).then(|| value.into_owned())
        };
        Part::Menu(MenuLink { content: value("msgmenucontent")?, id: value("msgmenuid")?, label })
    } else if address.starts_with("https://") || address.starts_with("http://") {
        Part::Page { url: address.to_owned(), label }
    } else {
        return None;
    };
    Some((part, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(content: &str, id: &str, label: &str) -> MenuLink {
        MenuLink { content: content.to_owned(), id: id.to_owned(), label: label.to_owned() }
    }

    #[test]
    fn links_send_their_content_whether_or_not_it_is_escaped() {
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
    fn what_is_no_whole_link_is_text() {
        for text in [
            "<a href=\"weixin://bizmsgmenu?msgmenucontent=yes&msgmenuid=1\">no end",
            "<a href=\"weixin://bizmsgmenu?msgmenucontent=yes\">no id</a>",
            "<a href=\"weixin://bizmsgmenu?msgmenucontent=&msgmenuid=1\">no content</a>",
            "<a href=weixin://bizmsgmenu?msgmenucontent=yes&msgmenuid=1>no quotes</a>",
            "<a href=\"javascript:alert(1)\">another scheme</a>",
            "<a ",
            "1 < 2, <b>bold</b>",
        ] {
            assert_eq!(parts(text), [Part::Text(text.to_owned())]);
        }
        assert_eq!(parts(""), []);
    }

    #[test]
    fn text_and_links_keep_their_order() {
        let text = "a <a x\n<a href=\"https://x/?q=1\">page</a>, \
                    <a href=\"weixin://bizmsgmenu?msgmenucontent=y&msgmenuid=1\">Yes</a>!";
        assert_eq!(
            parts(text),
            [
                Part::Text("a <a x\n".into()),
                Part::Page { url: "https://x/?q=1".into(), label: "page".into() },
                Part::Text(", ".into()),
                Part::Menu(menu("y", "1", "Yes")),
                Part::Text("!".into()),
            ]
        );
    }
}
