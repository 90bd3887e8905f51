//! WeChat's XML: one flat document, read and written.

use std::collections::BTreeMap;

use quick_xml::{
    Reader, Writer,
    escape::resolve_predefined_entity,
    events::{BytesCData, BytesEnd, BytesStart, BytesText, Event},
};

use super::BadMessage;

/// The root's children that hold text only, by name.
#[derive(Debug, Default)]
pub(super) struct Elements(BTreeMap<String, String>);

impl Elements {
    /// Reads a whole document. Deeper elements are passed over.
    pub(super) fn read(body: &[u8]) -> Result<Self, BadMessage> {
        let text = std::str::from_utf8(body).map_err(|_| BadMessage::NotUtf8)?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        let mut elements = Self::default();
        let mut depth = 0_u32;
        let mut roots = 0;
        let mut open: Option<(String, String)> = None;
        loop {
            match reader.read_event().map_err(|_| BadMessage::NotXml)? {
                Event::DocType(_) => return Err(BadMessage::Doctype),
                Event::Start(tag) => {
                    depth += 1;
                    roots += u32::from(depth == 1);
                    if roots > 1 {
                        return Err(BadMessage::NotXml);
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
                    depth = depth.checked_sub(1).ok_or(BadMessage::NotXml)?;
                    if depth == 1
                        && let Some((name, value)) = open.take()
                    {
                        elements.keep(name, value)?;
                    }
                }
                Event::Text(part) => append(&mut open, depth, &part)?,
                Event::CData(part) => append(&mut open, depth, &part)?,
                Event::GeneralRef(reference) => {
                    let resolved = match reference.resolve_char_ref() {
                        Ok(Some(character)) => character.to_string(),
                        Ok(None) => resolve_predefined_entity(&reference).ok_or(BadMessage::Entity)?.to_owned(),
                        Err(_) => return Err(BadMessage::NotXml),
                    };
                    append(&mut open, depth, &resolved)?;
                }
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
        if depth == 0 && roots == 1 { Ok(elements) } else { Err(BadMessage::NotXml) }
    }

    /// The text of an element that has to be there.
    pub(super) fn take(&mut self, name: &'static str) -> Result<String, BadMessage> {
        self.0.remove(name).ok_or(BadMessage::Element(name))
    }

    fn keep(&mut self, name: String, value: String) -> Result<(), BadMessage> {
        match self.0.insert(name, value) {
            None => Ok(()),
            Some(_) => Err(BadMessage::Twice),
        }
    }
}

fn append(open: &mut Option<(String, String)>, depth: u32, part: &str) -> Result<(), BadMessage> {
    match (open, depth) {
        (Some((_, value)), 2) => value.push_str(part),
        (_, 0) if !part.trim().is_empty() => return Err(BadMessage::NotXml),
        _ => {}
    }
    Ok(())
}

/// A document's element.
pub(super) enum Value<'a> {
    /// Any text.
    Text(&'a str),
    /// A number; WeChat writes them bare.
    Number(u64),
}

/// Writes a document with these elements.
pub(super) fn write(elements: &[(&str, Value<'_>)]) -> String {
    let mut writer = Writer::new(Vec::with_capacity(512));
    let mut write = |event| writer.write_event(event).expect("a Vec takes every byte");
    write(Event::Start(BytesStart::new("xml")));
    for (name, value) in elements {
        write(Event::Start(BytesStart::new(*name)));
        match value {
            Value::Text(text) => BytesCData::escaped(text).for_each(|part| write(Event::CData(part))),
            Value::Number(number) => write(Event::Text(BytesText::from_escaped(number.to_string()))),
        }
        write(Event::End(BytesEnd::new(*name)));
    }
    write(Event::End(BytesEnd::new("xml")));
    String::from_utf8(writer.into_inner()).expect("only UTF-8 was written")
}
