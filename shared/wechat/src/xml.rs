//! WeChat's XML: one flat document, read and written.

use std::collections::BTreeMap;

use quick_xml::{
    Reader, Writer,
    escape::resolve_predefined_entity,
    events::{BytesCData, BytesEnd, BytesStart, BytesText, Event},
};

use crate::message::MessageError;

/// The root's children that hold text only, by name.
#[derive(Debug, Default)]
pub(crate) struct XmlElements(BTreeMap<String, String>);

impl XmlElements {
    /// Reads a whole document. Deeper elements are passed over.
    pub(crate) fn read(body: &[u8]) -> Result<Self, MessageError> {
        let text = std::str::from_utf8(body).map_err(|_| MessageError::NotUtf8)?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        let mut elements = Self::default();
        let mut depth = 0_u32;
        let mut roots = 0;
        let mut open: Option<(String, String)> = None;
        loop {
            match reader.read_event().map_err(|_| MessageError::NotXml)? {
                Event::DocType(_) => return Err(MessageError::Doctype),
                Event::Start(tag) => {
                    depth += 1;
                    roots += u32::from(depth == 1);
                    if roots > 1 {
                        return Err(MessageError::NotXml);
                    }
                    if depth == 2 {
                        open = Some((tag.name().as_ref().to_owned(), String::new()));
                    }
                }
                Event::Empty(tag) => {
                    roots += u32::from(depth == 0);
                    if depth == 1 {
                        elements.keep(tag.name().as_ref().to_owned(), String::new())?;
                    }
                }
                Event::End(_) => {
                    depth = depth.checked_sub(1).ok_or(MessageError::NotXml)?;
                    if depth == 1
                        && let Some((name, value)) = open.take()
                    {
                        elements.keep(name, value)?;
                    }
                }
                Event::Text(part) => append(&mut open, depth, &part.xml10_content())?,
                Event::CData(part) => append(&mut open, depth, &part.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let resolved = match reference.resolve_char_ref() {
                        Ok(Some(character)) => character.to_string(),
                        Ok(None) => resolve_predefined_entity(&reference).ok_or(MessageError::Entity)?.to_owned(),
                        Err(_) => return Err(MessageError::NotXml),
                    };
                    append(&mut open, depth, &resolved)?;
                }
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
        if depth == 0 && roots == 1 { Ok(elements) } else { Err(MessageError::NotXml) }
    }

    /// The text of an element that has to be there.
    pub(crate) fn take(&mut self, name: &'static str) -> Result<String, MessageError> {
        self.0.remove(name).ok_or(MessageError::Element(name))
    }

    fn keep(&mut self, name: String, value: String) -> Result<(), MessageError> {
        match self.0.insert(name, value) {
            None => Ok(()),
            Some(_) => Err(MessageError::Twice),
        }
    }
}

fn append(open: &mut Option<(String, String)>, depth: u32, part: &str) -> Result<(), MessageError> {
    match (open, depth) {
        (Some((_, value)), 2) => value.push_str(part),
        (_, 0) if !part.trim().is_empty() => return Err(MessageError::NotXml),
        _ => {}
    }
    Ok(())
}

/// A document's element.
pub(crate) enum XmlValue<'a> {
    /// Any text.
    Text(&'a str),
    /// A number; WeChat writes them bare.
    Number(u64),
}

/// Writes a document with these elements.
pub(crate) fn write(elements: &[(&str, XmlValue<'_>)]) -> String {
    let mut writer = Writer::new(Vec::with_capacity(512));
    let mut write = |event| writer.write_event(event).expect("a Vec takes every byte");
    write(Event::Start(BytesStart::new("xml")));
    for (name, value) in elements {
        write(Event::Start(BytesStart::new(*name)));
        match value {
            XmlValue::Text(text) => BytesCData::escaped(text).for_each(|part| write(Event::CData(part))),
            XmlValue::Number(number) => write(Event::Text(BytesText::from_escaped(number.to_string()))),
        }
        write(Event::End(BytesEnd::new(*name)));
    }
    write(Event::End(BytesEnd::new("xml")));
    String::from_utf8(writer.into_inner()).expect("only UTF-8 was written")
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;

    /// What documents are made of, well or badly.
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

    /// The text without the ends of its lines, which the other parser gets wrong before a reference.
    fn in_one_line(text: &str) -> String {
        text.replace(['\r', '\n'], "")
    }

    /// Where another parser reads the document as well, it reads the same; and what it reads isn't refused, but
    /// for what two readers could disagree about.
    fn read_as_others_do(body: &[u8]) {
        let ours = XmlElements::read(body);
        let Ok(text) = std::str::from_utf8(body) else {
            return assert_eq!(ours.err(), Some(MessageError::NotUtf8));
        };
        let Ok(theirs) = Document::parse(text) else { return };
        let ours = match ours {
            Err(error) => return assert_eq!(error, MessageError::Twice, "{text}"),
            Ok(XmlElements(ours)) => ours,
        };
        for element in theirs.root_element().children().filter(Node::is_element) {
            let value: String = element.children().filter(Node::is_text).filter_map(|part| part.text()).collect();
            if element.tag_name().namespace().is_none() {
                let ours = ours.get(element.tag_name().name()).map(|value| in_one_line(value));
                assert_eq!(ours, Some(in_one_line(&value)), "{text}");
            }
        }
    }

    #[test]
    fn a_line_has_one_end() {
        let mut read = XmlElements::read(b"<xml><a>1\r\n2\r3\n<![CDATA[4\r\n]]></a></xml>").unwrap();
        assert_eq!(read.take("a").unwrap(), "1\n2\n3\n4\n");
    }

    #[test]
    fn any_document_is_read_as_others_read_it() {
        bolero::check!().for_each(read_as_others_do);
    }

    #[test]
    fn any_pieces_of_documents_are_read_as_others_read_them() {
        bolero::check!().for_each(|choice: &[u8]| {
            let pieces: String = choice.iter().map(|n| PIECES[usize::from(*n) % PIECES.len()]).collect();
            read_as_others_do(pieces.as_bytes());
            read_as_others_do(format!("<xml>{pieces}</xml>").as_bytes());
            read_as_others_do(format!("<xml><a>{pieces}</a></xml>").as_bytes());
        });
    }

    #[test]
    fn what_is_written_reads_back() {
        bolero::check!().with_type().for_each(|(text, number): &(String, u64)| {
            let text: String =
                text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
            let written = write(&[("Text", XmlValue::Text(&text)), ("Number", XmlValue::Number(*number))]);
            let mut elements = XmlElements::read(written.as_bytes()).unwrap();
            assert_eq!(elements.take("Text"), Ok(text));
            assert_eq!(elements.take("Number"), Ok(number.to_string()));
            read_as_others_do(written.as_bytes());
        });
    }
}
