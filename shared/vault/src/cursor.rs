//! The position of the next page as text, which is opaque to callers and belongs to one list.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The text is not a cursor of this list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that this list returned to this caller")]
pub struct InvalidCursor;

/// A cursor before it is encoded.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bound<P> {
    position: P,
    /// The digest of the list and of the position.
    list: String,
}

/// Returns a position as text for a query parameter of the list that `list` describes by its kind, its filter and its kind
/// of caller.
pub fn encode<P: Serialize>(position: &P, list: &str) -> String {
    let bound = Bound { position, list: digest_of(position, list) };
    // Serializing positions cannot fail: they are structs of texts.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&bound).unwrap_or_default())
}

/// Returns the position in a query parameter of the list that `list` describes.
///
/// # Errors
/// [`InvalidCursor`] if the text does not come from [`encode`] with the same list.
pub fn decode<P: Serialize + DeserializeOwned>(text: &str, list: &str) -> Result<P, InvalidCursor> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
    let bound: Bound<P> = serde_json::from_slice(&json).map_err(|_| InvalidCursor)?;
    let is_bound = bound.list == digest_of(&bound.position, list);
    if is_bound { Ok(bound.position) } else { Err(InvalidCursor) }
}

/// A plain digest suffices: a position that a caller makes up within its own list reveals nothing new.
fn digest_of(position: &impl Serialize, list: &str) -> String {
    let position = serde_json::to_string(position).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(digest(&SHA256, [list, &position].join("\0").as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct At(String);

    fn at(text: &str) -> At {
        At(text.to_owned())
    }

    #[test]
    fn a_cursor_is_read_by_the_list_that_returned_it_and_no_other() {
        let text = encode(&at("ada"), "connections of ada");
        assert_eq!(decode(&text, "connections of ada"), Ok(at("ada")));
        assert_eq!(decode::<At>(&text, "connections of grace"), Err(InvalidCursor));
        // A position without a list, or moved by hand.
        let bare = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&at("ada")).unwrap());
        assert_eq!(decode::<At>(&bare, ""), Err(InvalidCursor));
        let moved = Bound { position: at("bob"), list: digest_of(&at("ada"), "x") };
        let moved = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&moved).unwrap());
        assert_eq!(decode::<At>(&moved, "x"), Err(InvalidCursor));
    }

    proptest! {
        #[test]
        fn any_text_is_a_cursor_or_refused(text in ".{0,80}") {
            if let Ok(position) = decode::<At>(&text, "list") {
                prop_assert_eq!(decode::<At>(&encode(&position, "list"), "list").unwrap(), position);
            }
        }
    }
}
