//! Texts with placeholders: read from the configuration, and filled for a phone. No I/O.
//!
//! See docs/decisions/019-a-text-that-may-become-too-long-is-refused-at-the-start.md.

use std::fmt;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::visible_text::{beginning, visible};

/// WeChat shows at most so many bytes of a reply.
const MAX_TEXT_BYTES: usize = 2048;
/// At most so many bytes are shown of a value that another person chose.
const MAX_VALUE_BYTES: usize = 128;
const ELLIPSIS: char = '…';

/// A place in a text that is filled later, written `{word}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Placeholder {
    /// The name of the person who holds the phone.
    Name,
    Site,
    /// When the message was sent.
    Time,
    /// The host of the page.
    Host,
    /// The address from which the page's connection came.
    Address,
    /// Where in the world that address is.
    Place,
    /// The page's browser and system.
    Browser,
    /// How often the person has logged in, with this time.
    Logins,
    /// A link that says yes.
    Confirm,
    /// A link that says no.
    Decline,
    /// A link for each number to pick from.
    Choices,
}

impl Placeholder {
    /// The largest size of its value, in bytes.
    fn max_bytes(self) -> usize {
        match self {
            Self::Confirm | Self::Decline => 128,
            Self::Choices => 300,
            _ => MAX_VALUE_BYTES,
        }
    }

    /// The value as it is shown: the person who chose it can't forge a line or a link with it.
    fn sanitize(self, value: String) -> String {
        match self {
            Self::Confirm | Self::Decline | Self::Choices => value,
            _ => truncate(without_markup(&visible(&value))),
        }
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", <&str>::from(self))
    }
}

/// WeChat shows links in a text, and takes them from angle brackets.
fn without_markup(value: &str) -> String {
    let flat = |c: char| match c {
        '<' => '＜',
        '>' => '＞',
        c => c,
    };
    value.chars().map(flat).collect()
}

fn truncate(value: String) -> String {
    if value.len() <= MAX_VALUE_BYTES {
        return value;
    }
    let fits = beginning(&value, MAX_VALUE_BYTES, MAX_VALUE_BYTES - ELLIPSIS.len_utf8());
    format!("{fits}{ELLIPSIS}")
}

/// Why a text can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// WeChat would show an error notice for an empty reply.
    #[error("must not be empty")]
    Empty,
    /// WeChat would cut the reply.
    #[error("may become {0} bytes long; WeChat shows 2048")]
    TooLong(usize),
    /// There is no such placeholder.
    #[error("there is no placeholder {{{0}}}")]
    Unknown(String),
    /// The value of this placeholder isn't known when the phrase is said.
    #[error("{0} is not known when this is said")]
    NotAvailable(Placeholder),
    /// A brace that belongs to no placeholder.
    #[error("has a single brace; write {{{{ or }}}} for one that is to be shown")]
    Brace,
}

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<TemplateLine>);

type TemplateLine = Vec<Piece>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Placeholder(Placeholder),
}

impl Template {
    /// Reads a text that may have these placeholders.
    pub(crate) fn parse(text: &str, available: &[Placeholder]) -> Result<Self, TemplateError> {
        let lines: Vec<TemplateLine> = text.trim().lines().map(parse_line).collect::<Result<_, _>>()?;
        if lines.iter().all(Vec::is_empty) {
            return Err(TemplateError::Empty);
        }
        let template = Self(lines);
        if let Some(unknown) = template.placeholders().find(|placeholder| !available.contains(placeholder)) {
            return Err(TemplateError::NotAvailable(unknown));
        }
        match template.max_bytes() {
            0..=MAX_TEXT_BYTES => Ok(template),
            bytes => Err(TemplateError::TooLong(bytes)),
        }
    }

    fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        self.0.iter().flatten().filter_map(|piece| match piece {
            Piece::Placeholder(placeholder) => Some(*placeholder),
            Piece::Words(_) => None,
        })
    }

    /// The largest size of the filled text, in bytes.
    fn max_bytes(&self) -> usize {
        let pieces = self.0.iter().flatten().map(|piece| match piece {
            Piece::Words(words) => words.len(),
            Piece::Placeholder(placeholder) => placeholder.max_bytes(),
        });
        pieces.sum::<usize>() + self.0.len() - 1
    }

    /// Fills the text with these values. Leaves out each line with a placeholder that has no value; `None` if nothing
    /// is left.
    pub(crate) fn fill(&self, value: impl Fn(Placeholder) -> Option<String>) -> Option<String> {
        let filled = |line: &TemplateLine| {
            let pieces = line.iter().map(|piece| match piece {
                Piece::Words(words) => Some(words.clone()),
                Piece::Placeholder(placeholder) => {
                    value(*placeholder).map(|value| placeholder.sanitize(value)).filter(|value| !value.is_empty())
                }
            });
            pieces.collect::<Option<String>>()
        };
        let text = self.0.iter().filter_map(filled).collect::<Vec<_>>().join("\n");
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

fn parse_line(text: &str) -> Result<TemplateLine, TemplateError> {
    let mut pieces = vec![];
    let mut words = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        words.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            words.push_str(brace);
            rest = after;
            continue;
        }
        let (word, after) = after.split_once('}').filter(|_| brace == "{").ok_or(TemplateError::Brace)?;
        let placeholder = word.parse().map_err(|_| TemplateError::Unknown(word.to_owned()))?;
        if !words.is_empty() {
            pieces.push(Piece::Words(std::mem::take(&mut words)));
        }
        pieces.push(Piece::Placeholder(placeholder));
        rest = after;
    }
    words.push_str(rest);
    if !words.is_empty() {
        pieces.push(Piece::Words(words));
    }
    Ok(pieces)
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
