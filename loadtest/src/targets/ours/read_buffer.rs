//! One read buffer for each thread, shared by all of its pages. A page keeps only what is left of a frame.

use std::{cell::RefCell, io};

use tokio::net::TcpStream;

/// Larger than any frame of a gateway.
const SIZE: usize = 1 << 16;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SIZE]);
}

/// Waits until bytes come, and adds them to `to`. `Ok(false)` is the end of the connection. It may be dropped at any
/// moment and loses nothing.
pub(crate) async fn read_more(stream: &TcpStream, to: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        stream.readable().await?;
        let read = BUFFER.with_borrow_mut(|buffer| {
            let length = stream.try_read(buffer)?;
            to.extend_from_slice(&buffer[..length]);
            io::Result::Ok(length)
        });
        match read {
            Ok(length) => return Ok(length > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes what was read from the beginning. An empty rest gives its memory back.
pub(crate) fn consume(bytes: &mut Vec<u8>, length: usize) {
    if length >= bytes.len() {
        *bytes = Vec::new();
    } else {
        bytes.drain(..length);
    }
}
