//! From bytes to messages. No I/O: fed whatever arrived, it keeps only what is incomplete.

use std::io::Cursor;

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

use super::close;

/// The longest message, whole or in fragments, in bytes. A first frame takes a few hundred.
const MESSAGE_AT_MOST: usize = 4096;

/// What the peer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    /// It closes. Nothing follows.
    Close,
    /// It broke the protocol. Nothing follows.
    Violation(Violation),
}

/// How the peer broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("a frame of a client has to be masked")]
    Unmasked,
    #[error("a reserved bit is set, or the opcode isn't known")]
    Reserved,
    #[error("a control frame is fragmented or longer than 125 bytes")]
    Control,
    #[error("a fragment without a beginning, or a message inside of another")]
    Fragments,
    #[error("a message is longer than 4096 bytes")]
    TooBig,
    #[error("binary frames carry nothing here")]
    Binary,
    #[error("a close has half a code, or one that is not for the wire")]
    CloseCode,
    #[error("a text, or the reason of a close, isn't UTF-8")]
    NotUtf8,
}

impl Violation {
    /// The close code that answers it.
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::Unmasked | Self::Reserved | Self::Control | Self::Fragments | Self::CloseCode => {
                close::PROTOCOL_ERROR
            }
            Self::TooBig => close::TOO_BIG,
            Self::Binary => close::UNSUPPORTED,
            Self::NotUtf8 => close::NOT_UTF8,
        }
    }
}

/// What is left of what arrived.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Of a frame that isn't complete.
    frame: Vec<u8>,
    /// Of a message whose last fragment hasn't come.
    message: Option<Vec<u8>>,
}

impl Decoder {
    /// What these bytes complete; the same however the stream was cut. Not to be called again once
    /// something came of which nothing follows: the peer may go on, and isn't listened to.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Incoming> {
        let mut complete = Vec::new();
        if let Err(violation) = self.read(bytes, &mut complete) {
            complete.push(Incoming::Violation(violation));
        }
        complete
    }

    fn read(&mut self, bytes: &[u8], complete: &mut Vec<Incoming>) -> Result<(), Violation> {
        let joined;
        let mut rest = if self.frame.is_empty() {
            bytes
        } else {
            joined = [std::mem::take(&mut self.frame).as_slice(), bytes].concat();
            &joined
        };
        while let Some((header, payload, after)) = split(rest)? {
            rest = after;
            complete.extend(self.take(&header, payload)?);
            if complete.last() == Some(&Incoming::Close) {
                return Ok(());
            }
        }
        if !rest.is_empty() {
            self.frame = rest.to_vec();
        }
        Ok(())
    }

    fn take(&mut self, header: &FrameHeader, payload: Vec<u8>) -> Result<Option<Incoming>, Violation> {
        let part = match header.opcode {
            OpCode::Control(Control::Ping) => return Ok(Some(Incoming::Ping(payload))),
            OpCode::Control(Control::Pong) => return Ok(Some(Incoming::Pong)),
            OpCode::Control(Control::Close) => return check_close(&payload).map(|()| Some(Incoming::Close)),
            OpCode::Data(Data::Binary) => return Err(Violation::Binary),
            OpCode::Data(Data::Text) if self.message.is_none() => payload,
            OpCode::Data(Data::Continue) => {
                let mut message = self.message.take().ok_or(Violation::Fragments)?;
                message.extend_from_slice(&payload);
                message
            }
            OpCode::Data(Data::Text) => return Err(Violation::Fragments),
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => return Err(Violation::Reserved),
        };
        if part.len() > MESSAGE_AT_MOST {
            return Err(Violation::TooBig);
        }
        if !header.is_final {
            self.message = Some(part);
            return Ok(None);
        }
        String::from_utf8(part).map(|text| Some(Incoming::Text(text))).map_err(|_| Violation::NotUtf8)
    }
}

/// What a close may say (RFC 6455 sections 5.5.1 and 7.4): nothing, or a code and perhaps a reason.
fn check_close(payload: &[u8]) -> Result<(), Violation> {
    match payload {
        [] => Ok(()),
        [high, low, reason @ ..] if CloseCode::from(u16::from_be_bytes([*high, *low])).is_allowed() => {
            std::str::from_utf8(reason).map(drop).map_err(|_| Violation::NotUtf8)
        }
        _ => Err(Violation::CloseCode),
    }
}

type Frame<'a> = (FrameHeader, Vec<u8>, &'a [u8]);

/// The first frame, unmasked, and what follows it; `None` if it isn't complete. What is wrong with
/// its header is found without waiting for its payload.
fn split(bytes: &[u8]) -> Result<Option<Frame<'_>>, Violation> {
    let mut cursor = Cursor::new(bytes);
    let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Reserved)? else {
        return Ok(None);
    };
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(Violation::Reserved);
    }
    let mask = header.mask.ok_or(Violation::Unmasked)?;
    if matches!(header.opcode, OpCode::Control(_)) && (!header.is_final || length > 125) {
        return Err(Violation::Control);
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= MESSAGE_AT_MOST).ok_or(Violation::TooBig)?;
    let start = usize::try_from(cursor.position()).map_err(|_| Violation::TooBig)?;
    let Some(masked) = bytes.get(start..start + length) else { return Ok(None) };
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Ok(Some((header, payload, &bytes[start + length..])))
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
