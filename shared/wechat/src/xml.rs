//! Reads and writes WeChat's XML documents.
//!
//! A message is a root element whose children hold text. Some events have nested elements as well:
//!
//! ```text
//! <xml>
//!   <Event>subscribe_msg_popup_event</Event>              root.take_text("Event")
//!   <SubscribeMsgPopupEvent>                              root.take("SubscribeMsgPopupEvent")
//!     <List><TemplateId>a</TemplateId></List>               .take("List") .take_text("TemplateId")
//!     <List><TemplateId>b</TemplateId></List>               .take("List") .take_text("TemplateId")
//!   </SubscribeMsgPopupEvent>
//! </xml>
//! ```
//!
//! No child of the root may occur twice. Deeper elements may: WeChat writes lists so. Attributes are ignored, and so
//! are comments and processing instructions outside of texts; a document type and entities that XML doesn't predefine
//! are refused.

use quick_xml::{
    Reader, Writer,
    escape::resolve_predefined_entity,
    events::{BytesCData, BytesEnd, BytesStart, BytesText, Event},
};

use crate::error::MessageError;

/// The root has depth 1. WeChat's messages have at most 5.
const MAX_DEPTH: usize = 8;
/// WeChat's messages have at most some dozens.
const MAX_ELEMENTS: usize = 512;

/// An element, with all elements inside it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct XmlElement {
    name: String,
    /// The text directly inside it, without the text of its children.
    text: String,
    /// Whether there is more inside it than text and children: a comment or a processing instruction.
    has_asides: bool,
    children: Vec<XmlElement>,
}

impl XmlElement {
    /// Reads a document, and returns its root.
    pub(crate) fn read(document: &[u8]) -> Result<Self, MessageError> {
        if matches!(document.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return Err(MessageError::Json);
        }
        let text = std::str::from_utf8(document).map_err(|_| MessageError::NotUtf8)?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        let mut tree = TreeBuilder::default();
        loop {
            match reader.read_event().map_err(|_| MessageError::NotXml)? {
                // Inside the root a person may have written them.
                Event::DocType(_) | Event::Decl(_) if tree.has_begun() => return Err(MessageError::NotXml),
                Event::DocType(_) => return Err(MessageError::Doctype),
                Event::Start(tag) => tree.open(tag.name().as_ref())?,
                Event::Empty(tag) => {
                    tree.open(tag.name().as_ref())?;
                    tree.close()?;
                }
                Event::End(_) => tree.close()?,
                Event::Text(part) => tree.add_text(&part.xml10_content())?,
                Event::CData(part) => tree.add_text(&part.xml10_content())?,
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(character)) => tree.add_text(character.encode_utf8(&mut [0; 4]))?,
                    Ok(None) => {
                        tree.add_text(resolve_predefined_entity(&reference).ok_or(MessageError::UnknownEntity)?)?;
                    }
                    Err(_) => return Err(MessageError::NotXml),
                },
                Event::Eof => return tree.finish(),
                Event::Comment(_) | Event::PI(_) => tree.add_aside(),
                Event::Decl(_) => {}
            }
        }
    }

    /// Removes the first child with this name, and returns it. Called again, it returns the next one.
    pub(crate) fn take(&mut self, name: &str) -> Option<Self> {
        let position = self.children.iter().position(|child| child.name == name)?;
        Some(self.children.remove(position))
    }

    /// Removes `ToUserName`, and returns its text: the account that the document is for.
    pub(crate) fn take_recipient(&mut self) -> Result<String, MessageError> {
        // What is for a third-party platform has its app id there.
        let is_for_platform = self.children.iter().any(|child| child.name == "AppId");
        let missing = |missing| if is_for_platform { MessageError::ThirdPartyPlatform } else { missing };
        self.take_text("ToUserName").map_err(missing)
    }

    /// Removes the first child with this name, and returns its text. WeChat's texts have nothing else beside them: a
    /// text that has is what a person wrote, and would be read in part.
    pub(crate) fn take_text(&mut self, name: &'static str) -> Result<String, MessageError> {
        self.take_optional_text(name)?.ok_or(MessageError::InvalidElement(name))
    }

    /// As [`Self::take_text`], for a child that may be missing.
    pub(crate) fn take_optional_text(&mut self, name: &'static str) -> Result<Option<String>, MessageError> {
        match self.take(name) {
            Some(child) if child.has_asides || !child.children.is_empty() => Err(MessageError::InvalidElement(name)),
            child => Ok(child.map(|child| child.text)),
        }
    }
}

/// Builds the tree of a document from its tags and texts.
#[derive(Default)]
struct TreeBuilder {
    /// The open elements, from the root to the innermost.
    open: Vec<XmlElement>,
    root: Option<XmlElement>,
    elements: usize,
}

impl TreeBuilder {
    fn open(&mut self, name: &str) -> Result<(), MessageError> {
        if self.root.is_some() {
            return Err(MessageError::NotXml);
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS || self.open.len() == MAX_DEPTH {
            return Err(MessageError::TooComplex);
        }
        self.open.push(XmlElement { name: name.to_owned(), ..XmlElement::default() });
        Ok(())
    }

    fn close(&mut self) -> Result<(), MessageError> {
        let closed = self.open.pop().ok_or(MessageError::NotXml)?;
        let is_child_of_root = self.open.len() == 1;
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(closed);
            return Ok(());
        };
        if is_child_of_root && parent.children.iter().any(|sibling| sibling.name == closed.name) {
            return Err(MessageError::DuplicateElement);
        }
        parent.children.push(closed);
        Ok(())
    }

    /// Whether the root has begun.
    fn has_begun(&self) -> bool {
        self.elements > 0
    }

    fn add_text(&mut self, text: &str) -> Result<(), MessageError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(MessageError::NotXml),
        }
        Ok(())
    }

    fn add_aside(&mut self) {
        if let Some(element) = self.open.last_mut() {
            element.has_asides = true;
        }
    }

    fn finish(self) -> Result<XmlElement, MessageError> {
        if self.open.is_empty() { self.root.ok_or(MessageError::NotXml) } else { Err(MessageError::NotXml) }
    }
}

/// The value of an element that is written.
pub(crate) enum XmlValue<'a> {
    Text(&'a str),
    /// Written without CDATA, as WeChat writes numbers.
    Number(u64),
}

/// Writes a document whose root `xml` has these elements.
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
#[path = "xml_tests.rs"]
mod tests;
