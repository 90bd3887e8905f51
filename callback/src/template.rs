//! Texts with placeholders: as a site may write them, and as a phone is shown them. No I/O.

use std::fmt;

/// WeChat shows at most this many bytes of a reply.
const LONGEST_TEXT: usize = 2048;
/// Of a value that somebody else chose, at most this many bytes are shown.
const LONGEST_VALUE: usize = 128;
const CUT: char = '…';

/// What a text leaves open, written `{word}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// How whoever holds the phone is called.
    Name,
    /// The site's name.
    Site,
    /// When the message was sent.
    Time,
    /// The host of the page.
    Host,
    /// Where the page's connection came from.
    Address,
    /// Where in the world that is.
    Place,
    /// The page's browser and system.
    Browser,
    /// How often they have logged in, this time included.
    Logins,
    /// A link that says yes.
    Confirm,
    /// A link that says no.
    Decline,
    /// A link for each number that may be picked.
    Choices,
}

impl Placeholder {
    const ALL: [Self; 11] = [
        Self::Name,
        Self::Site,
        Self::Time,
        Self::Host,
        Self::Address,
        Self::Place,
        Self::Browser,
        Self::Logins,
        Self::Confirm,
        Self::Decline,
        Self::Choices,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Site => "site",
            Self::Time => "time",
            Self::Host => "host",
            Self::Address => "address",
            Self::Place => "place",
            Self::Browser => "browser",
            Self::Logins => "logins",
            Self::Confirm => "confirm",
            Self::Decline => "decline",
            Self::Choices => "choices",
        }
    }

    /// The most bytes that it takes.
    fn longest(self) -> usize {
        match self {
            Self::Confirm | Self::Decline => 128,
            Self::Choices => 300,
            _ => LONGEST_VALUE,
        }
    }

    /// This value as it is shown. Whoever chose it can't forge a line or a link with it.
    fn shown(self, value: String) -> String {
        match self {
            Self::Confirm | Self::Decline | Self::Choices => value,
            _ => cut(harmless(&value)),
        }
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.word())
    }
}

fn harmless(value: &str) -> String {
    // Those that turn the direction of what follows.
    let turns =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let flat = |c: char| match c {
        '<' => '＜',
        '>' => '＞',
        '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    value.chars().filter(|c| !turns(*c)).map(flat).collect::<String>().trim().to_owned()
}

fn cut(mut value: String) -> String {
    if value.len() > LONGEST_VALUE {
        value.truncate(value.floor_char_boundary(LONGEST_VALUE - CUT.len_utf8()));
        value.push(CUT);
    }
    value
}

/// Why a text can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTemplate {
    /// WeChat would show its error notice.
    #[error("must not be empty")]
    Empty,
    /// WeChat would cut it.
    #[error("may become {0} bytes long; WeChat shows 2048")]
    TooLong(usize),
    /// There is no such placeholder.
    #[error("there is no placeholder {{{0}}}")]
    Unknown(String),
    /// What it stands for isn't known where this is said.
    #[error("{0} is not known when this is said")]
    NotHere(Placeholder),
    /// It isn't clear what a brace means.
    #[error("has a single brace; write {{{{ or }}}} for one that is to be shown")]
    Brace,
}

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Line>);

type Line = Vec<Piece>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Open(Placeholder),
}

impl Template {
    /// Reads a text in which these placeholders may be.
    pub(crate) fn parse(text: &str, known: &[Placeholder]) -> Result<Self, BadTemplate> {
        let lines: Vec<Line> = text.trim().lines().map(line).collect::<Result<_, _>>()?;
        if lines.iter().all(Vec::is_empty) {
            return Err(BadTemplate::Empty);
        }
        let template = Self(lines);
        if let Some(unknown) = template.open().find(|open| !known.contains(open)) {
            return Err(BadTemplate::NotHere(unknown));
        }
        match template.longest() {
            0..=LONGEST_TEXT => Ok(template),
            longest => Err(BadTemplate::TooLong(longest)),
        }
    }

    fn open(&self) -> impl Iterator<Item = Placeholder> {
        self.0.iter().flatten().filter_map(|piece| match piece {
            Piece::Open(open) => Some(*open),
            Piece::Words(_) => None,
        })
    }

    /// The most bytes that it can become.
    fn longest(&self) -> usize {
        let pieces = self.0.iter().flatten().map(|piece| match piece {
            Piece::Words(words) => words.len(),
            Piece::Open(open) => open.longest(),
        });
        pieces.sum::<usize>() + self.0.len() - 1
    }

    /// The text with these values. A line with a placeholder that has no value is left out; `None` if
    /// nothing is left.
    pub(crate) fn fill(&self, value: impl Fn(Placeholder) -> Option<String>) -> Option<String> {
        let filled = |line: &Line| {
            let pieces = line.iter().map(|piece| match piece {
                Piece::Words(words) => Some(words.clone()),
                Piece::Open(open) => value(*open).map(|value| open.shown(value)).filter(|value| !value.is_empty()),
            });
            pieces.collect::<Option<String>>()
        };
        let text = self.0.iter().filter_map(filled).collect::<Vec<_>>().join("\n");
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

fn line(text: &str) -> Result<Line, BadTemplate> {
    let (mut pieces, mut words, mut rest) = (vec![], String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        words.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            words.push_str(brace);
            rest = after;
            continue;
        }
        let (word, after) = after.split_once('}').filter(|_| brace == "{").ok_or(BadTemplate::Brace)?;
        let open = Placeholder::ALL.into_iter().find(|open| open.word() == word);
        let open = open.ok_or_else(|| BadTemplate::Unknown(word.to_owned()))?;
        if !words.is_empty() {
            pieces.push(Piece::Words(std::mem::take(&mut words)));
        }
        pieces.push(Piece::Open(open));
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
