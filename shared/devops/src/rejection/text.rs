//! The text of an answer: decompressed, decoded, and without the escapes of the formats that it passed through.

use std::borrow::Cow;
use std::io::Read;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use percent_encoding::percent_decode_str;

/// The most decompressed bytes that are read.
const LARGEST: u64 = 256 * 1024;
/// The most formats that a text passes through, one inside the other: JSON in JSON in HTML, and a spare one.
const MOST_LAYERS: usize = 4;

/// Returns the text of a body or of its start, or `None` if its compression is not known. Text behind a fault of the
/// compression is left out.
pub(super) fn of_body(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let mut bytes = Cow::Borrowed(body);
    let encodings =
        headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let encodings: Vec<_> = encodings.flat_map(|value| value.split(',')).map(str::trim).collect();
    // They are listed in the order in which they were applied (RFC 9110 section 8.4).
    for encoding in encodings.iter().rev().filter(|encoding| !encoding.is_empty()) {
        bytes = match encoding.to_ascii_lowercase().as_str() {
            "identity" => bytes,
            "gzip" | "x-gzip" => start(flate2::read::MultiGzDecoder::new(&*bytes)).into(),
            "deflate" => inflate(&bytes).into(),
            "br" if !has_large_window(&bytes) => {
                start(brotli_decompressor::Decompressor::new(&*bytes, 4096)).into()
            }
            _ => return None,
        };
    }
    Some(decode(headers, &bytes))
}

/// Returns whether a brotli stream is of the extension with large windows, for which a decompressor allocates up to 1 GiB.
/// No server sends it to a client that did not ask for it (RFC 7932 section 9.1).
fn has_large_window(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0x7f == 0x11)
}

/// Servers disagree on whether `deflate` has the header of zlib, as RFC 9110 demands.
fn inflate(bytes: &[u8]) -> Vec<u8> {
    let read = start(flate2::read::ZlibDecoder::new(bytes));
    if read.is_empty() { start(flate2::read::DeflateDecoder::new(bytes)) } else { read }
}

/// Reads to the end, to the limit or to the first fault.
fn start(decompressed: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Bytes before a fault are kept.
    drop(decompressed.take(LARGEST).read_to_end(&mut bytes));
    bytes
}

fn decode(headers: &HeaderMap, bytes: &[u8]) -> String {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes.as_chunks();
        String::from_utf16_lossy(&pairs.iter().copied().map(unit).collect::<Vec<_>>())
    };
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ if kind.to_ascii_lowercase().contains("utf-16") => utf16(bytes, u16::from_le_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Returns the text without escapes of JSON, HTML and URLs.
pub(super) fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..MOST_LAYERS {
        let next = one_layer(&text);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

fn one_layer(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '&', '%']) {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let read = json(escape).or_else(|| html(escape)).or_else(|| url(escape));
        let length = read.as_ref().map_or(1, |(_, length)| *length);
        let (escape, after) = escape.split_at(length);
        out.push_str(read.as_ref().map_or(escape, |(plain, _)| plain));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Reads `\"`, `\\`, `\/`, `\'` and `\u0027`. A `\n` may be the beginning of a name in `DOMAIN\name`.
fn json(escape: &str) -> Option<(String, usize)> {
    let rest = escape.strip_prefix('\\')?;
    if let Some(plain) = rest.chars().next().filter(|next| matches!(next, '"' | '\\' | '/' | '\''))
    {
        return Some((plain.to_string(), 2));
    }
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(escape)?;
    // A pair of surrogates is one character (RFC 8259 section 7).
    let pair = escape.get(6..).and_then(unit).map(|second| [first, second]);
    let pair = pair.filter(|_| (0xd800..0xdc00).contains(&first));
    Some(match pair {
        Some(pair) => (String::from_utf16_lossy(&pair), 12),
        None => (String::from_utf16_lossy(&[first]), 6),
    })
}

/// Reads character references (HTML section 13.2.5.72): numeric ones, and the named ones of names and messages.
fn html(escape: &str) -> Option<(String, usize)> {
    let rest = escape.strip_prefix('&')?;
    let name = rest.get(..rest.bytes().take(12).position(|byte| byte == b';')?)?;
    let plain = match name.strip_prefix('#') {
        Some(number) => {
            let digits = number.strip_prefix(['x', 'X']);
            let code = match digits {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
        None => match name {
            "amp" | "AMP" => '&',
            "apos" => '\'',
            "quot" | "QUOT" => '"',
            "lt" | "LT" => '<',
            "gt" | "GT" => '>',
            "nbsp" => ' ',
            "lsquo" => '\u{2018}',
            "rsquo" => '\u{2019}',
            "ldquo" => '\u{201c}',
            "rdquo" => '\u{201d}',
            "laquo" => '\u{ab}',
            "raquo" => '\u{bb}',
            "bsol" => '\\',
            "commat" => '@',
            "period" => '.',
            "hyphen" | "dash" => '-',
            "lowbar" => '_',
            "colon" => ':',
            "sol" => '/',
            "percnt" => '%',
            _ => return None,
        },
    };
    Some((plain.to_string(), name.len() + 2))
}

/// Reads a run of `%XX`, which may be one character in several bytes.
fn url(escape: &str) -> Option<(String, usize)> {
    let is_octet = |chunk: &[u8; 3]| {
        chunk[0] == b'%' && chunk[1].is_ascii_hexdigit() && chunk[2].is_ascii_hexdigit()
    };
    let (chunks, _) = escape.as_bytes().as_chunks::<3>();
    let length = 3 * chunks.iter().take_while(|chunk| is_octet(chunk)).count();
    let run = escape.get(..length).filter(|run| !run.is_empty())?;
    Some((percent_decode_str(run).decode_utf8_lossy().into_owned(), length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &str = "TF400813: The user 'Åda' is not authorized to access this resource.";

    fn read(header: (&str, &str), body: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header.0.parse::<http::HeaderName>().unwrap(), header.1.parse().unwrap());
        of_body(&headers, body)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_texts_are_read_in_every_encoding() {
        let encoded = |encoding, body: &[u8]| read(("content-encoding", encoding), body);
        let text = Some(TEXT.to_owned());
        assert_eq!(encoded("gzip", &gzip(TEXT.as_bytes())), text);
        assert_eq!(encoded("X-GZip", &gzip(TEXT.as_bytes())), text);
        assert_eq!(encoded("gzip, gzip", &gzip(&gzip(TEXT.as_bytes()))), text);
        assert_eq!(encoded("identity", TEXT.as_bytes()), text);
        assert_eq!(encoded("", TEXT.as_bytes()), text);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT.as_bytes()).unwrap();
        assert_eq!(encoded("deflate", &zlib.finish().unwrap()), text);
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(TEXT.as_bytes()).unwrap();
        assert_eq!(encoded("deflate", &raw.finish().unwrap()), text);
        // "ada", uncompressed within brotli (RFC 7932 section 9.2).
        assert_eq!(encoded("br", b"\x0b\x01\x80ada\x03"), Some("ada".to_owned()));
        assert_eq!(encoded("zstd", b"x"), None);
        // The extension with a window of 1 GiB.
        assert_eq!(encoded("br", b"\x11\x1e\x00"), None);
    }

    #[test]
    fn a_text_before_a_fault_is_read_and_a_bomb_is_not() {
        let whole = gzip(TEXT.repeat(1000).as_bytes());
        let half = read(("content-encoding", "gzip"), whole.get(..whole.len() - 9).unwrap());
        assert!(half.unwrap().starts_with(TEXT));
        assert_eq!(read(("content-encoding", "gzip"), b"nonsense").unwrap(), "");
        let bomb = read(("content-encoding", "gzip"), &gzip(&vec![b' '; 9_000_000])).unwrap();
        assert_eq!(bomb.len(), usize::try_from(LARGEST).unwrap());
    }

    #[test]
    fn byte_order_marks_and_charsets_are_honoured() {
        let plain = ("content-type", "application/json");
        assert_eq!(read(plain, format!("\u{feff}{TEXT}").as_bytes()).unwrap(), TEXT);
        let units: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(("content-type", "text/html; charset=UTF-16"), &units).unwrap(), TEXT);
        assert_eq!(read(plain, &[&[0xff, 0xfe], units.as_slice()].concat()).unwrap(), TEXT);
        let units: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read(plain, &[&[0xfe, 0xff], units.as_slice()].concat()).unwrap(), TEXT);
        assert!(read(plain, b"the user '\xe5da'").unwrap().contains("da'"));
    }

    #[test]
    fn escapes_are_read_however_deep() {
        for (escaped, plain) in [
            ("&#39;ada&#x27;&apos;", "'ada''"),
            (r"\u0027ada\u0027", "'ada'"),
            (r"\\u0027ada\\u0027", "'ada'"),
            ("%27ada%27", "'ada'"),
            ("%2527ada", "'ada"),
            ("&amp;#39;ada", "'ada"),
            (r#"\"MYCOMPANY\\\\ada\""#, r#""MYCOMPANY\ada""#),
            (r"\ud83d\ude00", "\u{1f600}"),
            (r"MYCOMPANY\ada", r"MYCOMPANY\ada"),
            ("%C3%A5da", "åda"),
            ("ada&commat;mycompany.example", "ada@mycompany.example"),
            (r"100 % & more \u12 &# &; %2", r"100 % & more \u12 &# &; %2"),
        ] {
            assert_eq!(unescaped(escaped), plain);
        }
    }
}
