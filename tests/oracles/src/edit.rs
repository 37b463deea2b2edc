//! One change of a text or of bytes, as an input describes it.

/// Returns the bytes with one change: at the position of the first byte of `edit` as many bytes as its second one has are
/// replaced by the rest of it. An edit of fewer than two bytes changes nothing.
pub fn edited(bytes: &[u8], edit: &str) -> Vec<u8> {
    let [at, removed, inserted @ ..] = edit.as_bytes() else { return bytes.to_vec() };
    // A position is a share of the length, so that one byte reaches every part.
    let at = usize::from(*at) * bytes.len() / 128;
    let (before, after) = bytes.split_at(at.min(bytes.len()));
    let after = after.get(usize::from(*removed)..).unwrap_or_default();
    [before, inserted, after].concat()
}

/// Returns the text with one change, with the replacement character where it is not UTF-8 any more.
pub fn edited_text(text: &str, edit: &str) -> String {
    String::from_utf8_lossy(&edited(text.as_bytes(), edit)).into_owned()
}
