//! An HTTP API of API Gateway hands a function another path than the client has sent.
//!
//! Captures from AWS of July 2026 (hotsock/voker, `vokerhttp/testdata/ingress-paths.json`) show the steps: the path is
//! percent-decoded, ends at a question mark that this reveals, and is percent-decoded again. A percent sign that begins no
//! encoded byte then is answered with 400. No capture settles two cases: bytes that are not UTF-8 are replaced here, because
//! an event is text, and a percent sign that begins no encoded byte already as the client sends it is refused here, too.

use percent_encoding::percent_decode;

/// Returns the path of the event for a path as sent, or `None` if API Gateway refuses it.
pub(crate) fn decoded_path(sent: &str) -> Option<String> {
    let once = decode(sent.as_bytes())?;
    let end = once.iter().position(|byte| *byte == b'?').unwrap_or(once.len());
    let twice = decode(&once[..end])?;
    Some(String::from_utf8_lossy(&twice).into_owned())
}

/// Decodes once, or returns `None` if a percent sign begins no encoded byte.
fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let is_encoded =
        |rest: &[u8]| rest.len() >= 2 && rest[0].is_ascii_hexdigit() && rest[1].is_ascii_hexdigit();
    let mut percent_signs = encoded.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    percent_signs
        .all(|(at, _)| is_encoded(&encoded[at + 1..]))
        .then(|| percent_decode(encoded).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_arrives_as_in_captures_from_aws() {
        for (sent, arrives) in [
            ("/a/plain", Some("/a/plain")),
            ("/a/space%20value", Some("/a/space value")),
            ("/a/question%3Fvalue", Some("/a/question")),
            ("/a/percent%25done", None),
            ("/a/hash%23value", Some("/a/hash#value")),
            ("/a/slash%2Fvalue", Some("/a/slash/value")),
            ("/a/unicode-%CE%BB-%E4%B8%96%E7%95%8C", Some("/a/unicode-λ-世界")),
            ("/a/literal%252Fvalue", Some("/a/literal/value")),
            ("/a/literal%253Fvalue", Some("/a/literal?value")),
            ("/a/literal%2525value", Some("/a/literal%value")),
        ] {
            assert_eq!(decoded_path(sent).as_deref(), arrives, "{sent}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_half_an_encoded_byte_is_refused() {
        assert_eq!(decoded_path("/%ff").as_deref(), Some("/\u{fffd}"));
        for sent in ["/%", "/%4", "/%zz", "/50%25"] {
            assert_eq!(decoded_path(sent), None, "{sent}");
        }
    }
}
