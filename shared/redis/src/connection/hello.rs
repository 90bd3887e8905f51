//! How a user and a password are written in `HELLO`. No I/O.
//!
//! The client library sends `HELLO` as a line of text, and Redis splits it into words as a shell does. A password with
//! a blank or a quote would be another one, or none.

/// The text as one word of a line that Redis splits.
pub(crate) fn hello_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let write = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("\\x{byte:02x}") };
    format!("\"{}\"", text.bytes().map(write).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_would_split_or_unquote_is_escaped() {
        for (text, word) in [
            ("Pa$$-word_1!#%&*()", "Pa$$-word_1!#%&*()"),
            ("a b", r#""a\x20b""#),
            (r#"a"b'c\d"#, r#""a\x22b\x27c\x5cd""#),
            ("a\r\nFLUSHALL", r#""a\x0d\x0aFLUSHALL""#),
            ("é", r#""\xc3\xa9""#),
            ("", r#""""#),
        ] {
            assert_eq!(hello_word(text), word);
        }
    }
}
