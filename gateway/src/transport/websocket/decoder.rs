//! From bytes to messages. No I/O. It keeps only the bytes of incomplete frames and messages.

use std::io::Cursor;

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

use super::close_code;

/// The longest message, whole or in fragments, in bytes. A first frame takes a few hundred.
const MAX_MESSAGE_BYTES: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    /// The peer closes. Nothing follows.
    Close,
    /// The peer broke the protocol. Nothing follows.
    ProtocolError(ProtocolError),
}

/// How the peer broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("a client has to mask its frames")]
    Unmasked,
    #[error("a reserved bit is set, or the opcode isn't known")]
    Reserved,
    #[error("a control frame is fragmented or longer than 125 bytes")]
    Control,
    #[error("a continuation without a first fragment, or a message inside another one")]
    Fragments,
    #[error("a message is longer than 4096 bytes")]
    TooBig,
    #[error("this server accepts no binary frames")]
    Binary,
    #[error("a close frame has half a code, or a code that must not be sent")]
    CloseCode,
    #[error("a text or a close reason isn't UTF-8")]
    NotUtf8,
}

impl ProtocolError {
    /// The close code that answers it.
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::Unmasked | Self::Reserved | Self::Control | Self::Fragments | Self::CloseCode => {
                close_code::PROTOCOL_ERROR
            }
            Self::TooBig => close_code::TOO_BIG,
            Self::Binary => close_code::UNSUPPORTED,
            Self::NotUtf8 => close_code::NOT_UTF8,
        }
    }
}

/// What has arrived and isn't complete. A page that waits has nothing of it, and its decoder is as small as can be.
#[derive(Debug, Default)]
pub(crate) struct Decoder(Option<Box<Incomplete>>);

#[derive(Debug, Default)]
struct Incomplete {
    /// The bytes of an incomplete frame.
    frame: Vec<u8>,
    /// The fragments of a message whose last one hasn't come.
    message: Option<Vec<u8>>,
}

impl Decoder {
    /// What these bytes complete, which doesn't depend on how the stream is split. Must not be called again after
    /// a close or an error: what the peer sends then is ignored.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Incoming> {
        let mut complete = Vec::new();
        if let Err(error) = self.read(bytes, &mut complete) {
            complete.push(Incoming::ProtocolError(error));
        }
        complete
    }

    fn read(&mut self, bytes: &[u8], complete: &mut Vec<Incoming>) -> Result<(), ProtocolError> {
        let mut incomplete = self.0.take().map(|incomplete| *incomplete).unwrap_or_default();
        let joined;
        let mut rest = if incomplete.frame.is_empty() {
            bytes
        } else {
            joined = [std::mem::take(&mut incomplete.frame).as_slice(), bytes].concat();
            &joined
        };
        while let Some((header, payload, after)) = split(rest)? {
            rest = after;
            complete.extend(incomplete.take(&header, payload)?);
            if complete.last() == Some(&Incoming::Close) {
                return Ok(());
            }
        }
        incomplete.frame = rest.to_vec();
        if !incomplete.frame.is_empty() || incomplete.message.is_some() {
            self.0 = Some(Box::new(incomplete));
        }
        Ok(())
    }
}

impl Incomplete {
    fn take(&mut self, header: &FrameHeader, payload: Vec<u8>) -> Result<Option<Incoming>, ProtocolError> {
        let part = match header.opcode {
            OpCode::Control(Control::Ping) => return Ok(Some(Incoming::Ping(payload))),
            OpCode::Control(Control::Pong) => return Ok(Some(Incoming::Pong)),
            OpCode::Control(Control::Close) => return check_close(&payload).map(|()| Some(Incoming::Close)),
            OpCode::Data(Data::Binary) => return Err(ProtocolError::Binary),
            OpCode::Data(Data::Text) if self.message.is_none() => payload,
            OpCode::Data(Data::Continue) => {
                let mut message = self.message.take().ok_or(ProtocolError::Fragments)?;
                message.extend_from_slice(&payload);
                message
            }
            OpCode::Data(Data::Text) => return Err(ProtocolError::Fragments),
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => {
                return Err(ProtocolError::Reserved);
            }
        };
        if part.len() > MAX_MESSAGE_BYTES {
            return Err(ProtocolError::TooBig);
        }
        if !header.is_final {
            self.message = Some(part);
            return Ok(None);
        }
        String::from_utf8(part).map(|text| Some(Incoming::Text(text))).map_err(|_| ProtocolError::NotUtf8)
    }
}

/// Checks the payload of a close frame (RFC 6455 sections 5.5.1 and 7.4): nothing, or a code and perhaps a reason.
fn check_close(payload: &[u8]) -> Result<(), ProtocolError> {
    match payload {
        [] => Ok(()),
        [high, low, reason @ ..] if CloseCode::from(u16::from_be_bytes([*high, *low])).is_allowed() => {
            std::str::from_utf8(reason).map(drop).map_err(|_| ProtocolError::NotUtf8)
        }
        _ => Err(ProtocolError::CloseCode),
    }
}

/// A frame's header, its payload, and the bytes after it.
type SplitFrame<'a> = (FrameHeader, Vec<u8>, &'a [u8]);

/// The first frame, unmasked, and what follows it; `None` if it isn't complete. Errors in its header are found
/// before its payload arrives.
fn split(bytes: &[u8]) -> Result<Option<SplitFrame<'_>>, ProtocolError> {
    let mut cursor = Cursor::new(bytes);
    let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| ProtocolError::Reserved)? else {
        return Ok(None);
    };
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(ProtocolError::Reserved);
    }
    let mask = header.mask.ok_or(ProtocolError::Unmasked)?;
    if matches!(header.opcode, OpCode::Control(_)) && (!header.is_final || length > 125) {
        return Err(ProtocolError::Control);
    }
    let length =
        usize::try_from(length).ok().filter(|length| *length <= MAX_MESSAGE_BYTES).ok_or(ProtocolError::TooBig)?;
    let start = usize::try_from(cursor.position()).map_err(|_| ProtocolError::TooBig)?;
    let Some(masked) = bytes.get(start..start + length) else { return Ok(None) };
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Ok(Some((header, payload, &bytes[start + length..])))
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
