//! Documents of every form, read as another parser reads them.

use roxmltree::{Document, Node};

use super::*;

/// Pieces from which well-formed and malformed documents are put together.
const PIECES: [&str; 32] = [
    "<a>",
    "</a>",
    "<b>",
    "</b>",
    "<c/>",
    "<a/>",
    "<a b=\"c\">",
    "<a b='<'/>",
    "<![CDATA[",
    "]]>",
    "]]",
    "x",
    "你",
    "😀",
    " ",
    "\n",
    "\r\n",
    "\r",
    "&amp;",
    "&lt;",
    "&#65;",
    "&#x1F600;",
    "&#0;",
    "&#13;",
    "&e;",
    "&",
    "<!--",
    "-->",
    "<?p ?>",
    "<?xml version=\"1.0\"?>",
    "<!DOCTYPE xml>",
    "\u{0}",
];

/// The text without line breaks: the other parser reads a line break before a reference wrongly.
fn without_line_breaks(text: &str) -> String {
    text.replace(['\r', '\n'], "")
}

/// Asserts that this element and everything inside it are read as the other parser reads them.
fn assert_same_element(ours: &XmlElement, theirs: Node<'_, '_>, document: &str) {
    // The other parser splits a name at its colon.
    if theirs.tag_name().namespace().is_none() {
        assert_eq!(ours.name, theirs.tag_name().name(), "{document}");
    }
    let text: String = theirs.children().filter(Node::is_text).filter_map(|part| part.text()).collect();
    assert_eq!(without_line_breaks(&ours.text), without_line_breaks(&text), "{document}");
    let children: Vec<_> = theirs.children().filter(Node::is_element).collect();
    assert_eq!(ours.children.len(), children.len(), "{document}");
    for (ours, theirs) in ours.children.iter().zip(children) {
        assert_same_element(ours, theirs, document);
    }
}

fn depth(node: Node<'_, '_>) -> usize {
    1 + node.children().filter(Node::is_element).map(depth).max().unwrap_or(0)
}

fn has_duplicate_child(root: Node<'_, '_>) -> bool {
    let names: Vec<_> = root.children().filter(Node::is_element).map(|child| child.tag_name().name()).collect();
    names.iter().enumerate().any(|(n, name)| names[..n].contains(name))
}

/// Asserts that a document that another parser reads is read in the same way, or refused for our own limits.
fn assert_read_as_others_read_it(document: &[u8]) {
    let ours = XmlElement::read(document);
    if ours == Err(MessageError::Json) {
        return assert!(
            std::str::from_utf8(document).is_err() || Document::parse(&String::from_utf8_lossy(document)).is_err()
        );
    }
    let Ok(text) = std::str::from_utf8(document) else {
        return assert_eq!(ours.err(), Some(MessageError::NotUtf8));
    };
    let Ok(theirs) = Document::parse(text) else { return };
    let root = theirs.root_element();
    match ours {
        Ok(ours) => assert_same_element(&ours, root, text),
        Err(MessageError::DuplicateElement) => assert!(has_duplicate_child(root), "{text}"),
        Err(MessageError::TooComplex) => {
            let elements = root.descendants().filter(Node::is_element).count();
            assert!(elements > MAX_ELEMENTS || depth(root) > MAX_DEPTH, "{text}");
        }
        Err(error) => panic!("{error}: {text}"),
    }
}

#[test]
fn a_line_break_is_one_character() {
    let mut root = XmlElement::read(b"<xml><a>1\r\n2\r3\n<![CDATA[4\r\n]]></a></xml>").unwrap();
    assert_eq!(root.take_text("a").unwrap(), "1\n2\n3\n4\n");
}

#[test]
fn only_before_the_root_is_a_document_type_one() {
    for (document, error) in [
        ("<!DOCTYPE a><xml/>", MessageError::Doctype),
        (
            "<?xml version=\"1.0\"?><!-- a --><!doctype a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><xml>&e;</xml>",
            MessageError::Doctype,
        ),
        ("<xml><a><!DOCTYPE a></a></xml>", MessageError::NotXml),
        ("<xml><a><!doctype a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>&e;</a></xml>", MessageError::NotXml),
        ("<xml/><!DOCTYPE a>", MessageError::NotXml),
        ("<xml><a>1<?xml version=\"1.0\"?></a></xml>", MessageError::NotXml),
    ] {
        assert_eq!(XmlElement::read(document.as_bytes()), Err(error), "{document}");
        assert_eq!(error.may_come_from_a_text(), error == MessageError::NotXml);
    }
}

#[test]
fn nested_elements_are_taken_one_after_another() {
    let document = "<xml><Event>subscribe_msg_popup_event</Event><SubscribeMsgPopupEvent>\
                    <List><TemplateId><![CDATA[a]]></TemplateId><PopupScene>2</PopupScene></List>\
                    <List><TemplateId><![CDATA[b]]></TemplateId></List></SubscribeMsgPopupEvent></xml>";
    let mut root = XmlElement::read(document.as_bytes()).unwrap();
    assert_eq!(root.take("List"), None, "it isn't a child of the root");
    let mut popup = root.take("SubscribeMsgPopupEvent").unwrap();
    assert_eq!(popup.take("List").unwrap().take_text("TemplateId"), Ok("a".to_owned()));
    let mut second = popup.take("List").unwrap();
    assert_eq!(second.take_text("TemplateId"), Ok("b".to_owned()));
    assert_eq!(second.take_text("PopupScene"), Err(MessageError::InvalidElement("PopupScene")));
    assert_eq!(popup.take("List"), None);
    assert_eq!(root.take_text("SubscribeMsgPopupEvent"), Err(MessageError::InvalidElement("SubscribeMsgPopupEvent")));
    assert_eq!(root.take_text("Event"), Ok("subscribe_msg_popup_event".to_owned()));
}

#[test]
fn documents_beyond_the_limits_are_refused() {
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(XmlElement::read(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(XmlElement::read(nested(MAX_DEPTH + 1).as_bytes()), Err(MessageError::TooComplex));
    let list = |elements: usize| format!("<xml><a>{}</a></xml>", "<b/>".repeat(elements - 2));
    assert!(XmlElement::read(list(MAX_ELEMENTS).as_bytes()).is_ok());
    assert_eq!(XmlElement::read(list(MAX_ELEMENTS + 1).as_bytes()), Err(MessageError::TooComplex));
}

#[test]
fn any_document_is_read_as_others_read_it() {
    bolero::check!().for_each(assert_read_as_others_read_it);
}

#[test]
fn any_pieces_of_documents_are_read_as_others_read_them() {
    bolero::check!().for_each(|choice: &[u8]| {
        let pieces: String = choice.iter().map(|n| PIECES[usize::from(*n) % PIECES.len()]).collect();
        assert_read_as_others_read_it(pieces.as_bytes());
        assert_read_as_others_read_it(format!("<xml>{pieces}</xml>").as_bytes());
        assert_read_as_others_read_it(format!("<xml><a>{pieces}</a></xml>").as_bytes());
        assert_read_as_others_read_it(format!("<xml><a><b>{pieces}</b><b>{pieces}</b></a></xml>").as_bytes());
    });
}

#[test]
fn what_is_written_reads_back() {
    bolero::check!().with_type().for_each(|(text, number): &(String, u64)| {
        let text: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
        let written = write(&[("Text", XmlValue::Text(&text)), ("Number", XmlValue::Number(*number))]);
        let mut root = XmlElement::read(written.as_bytes()).unwrap();
        assert_eq!(root.take_text("Text"), Ok(text));
        assert_eq!(root.take_text("Number"), Ok(number.to_string()));
        assert_read_as_others_read_it(written.as_bytes());
    });
}
