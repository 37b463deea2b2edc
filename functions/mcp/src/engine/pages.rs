//! Lists in pages. Azure DevOps pages in different ways; a client sees one `next`.
//!
//! | paging | the next page is asked for by |
//! | --- | --- |
//! | [`Paging::None`] | nothing: the list comes whole, and what does not fit is counted |
//! | [`Paging::Skip`] | `$top` and `$skip`, in the query or in the body of a `POST` |
//! | [`Paging::Token`] | the token of a header or of a member of the answer before |
//! | [`Paging::Cut`] | nothing: the list comes whole again, and goes on where it was cut |
//!
//! `next` has the place, and a digest of the tool and its arguments: with others it would lead to a wrong place.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::budget;
use super::failure::Failure;
use super::fill::Filled;
use super::show::Projection;
use crate::tools::tool::{Call, Paging, Tool, Verb};

/// The entries of a page, unless the caller names another number.
const PAGE: u64 = 50;
/// The header in which Azure DevOps names the next page.
const CONTINUATION: &str = "x-ms-continuationtoken";
/// Room for everything but the entries and a token, in bytes.
const FRAME: usize = 1_000;

/// A place in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The token of the page.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    continuation: Option<String>,
    /// The entries before the page.
    #[serde(rename = "s", default)]
    skip: u64,
    /// The entries of the page that were shown.
    #[serde(rename = "c", default)]
    cut: usize,
    /// A digest of the tool and its arguments.
    #[serde(rename = "d")]
    digest: String,
}

/// A page as it came.
pub struct Page<'a> {
    /// Its entries.
    pub items: Vec<Value>,
    /// The headers of the answer.
    pub headers: &'a HeaderMap,
    /// The whole answer.
    pub body: &'a Value,
}

impl Position {
    /// Returns the place that `next` names, or the beginning.
    ///
    /// # Errors
    /// [`Failure::Arguments`] for a `next` that is none, or that belongs to other arguments.
    pub fn of(tool: &Tool, arguments: &Arguments) -> Result<Self, Failure> {
        Self::named(tool.name, arguments)
    }

    /// The same for a tool of this name.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub(crate) fn named(tool: &str, arguments: &Arguments) -> Result<Self, Failure> {
        let digest = digest_of(tool, arguments);
        let Some(next) = arguments.text("next") else {
            return Ok(Self { digest, ..Self::default() });
        };
        let none = || Failure::argument("next", "must be exactly that of the answer before");
        let position = URL_SAFE_NO_PAD.decode(next).map_err(|_| none())?;
        let position: Self = serde_json::from_slice(&position).map_err(|_| none())?;
        if position.digest == digest {
            Ok(position)
        } else {
            let fault = "belongs to other arguments: repeat those of the answer that it came with";
            Err(Failure::argument("next", fault))
        }
    }

    /// Asks for the page at this place.
    pub(crate) fn ask(&self, call: &Call, arguments: &Arguments, filled: &mut Filled) {
        let top = limit(arguments);
        match call.paging {
            Paging::None | Paging::Cut => {}
            Paging::Skip if call.method == Verb::Post => {
                let body = filled.body.get_or_insert_with(|| json!({}));
                body["$top"] = top.into();
                body["$skip"] = self.skip.into();
            }
            Paging::Skip => {
                filled.pairs.push(("$top".to_owned(), top.to_string()));
                if self.skip > 0 {
                    filled.pairs.push(("$skip".to_owned(), self.skip.to_string()));
                }
            }
            Paging::Token => {
                filled.pairs.push(("$top".to_owned(), top.to_string()));
                let token =
                    self.continuation.clone().map(|token| ("continuationToken".to_owned(), token));
                filled.pairs.extend(token);
            }
        }
    }

    /// Returns the answer that shows a page: as many entries as fit, and `next` if there are more.
    pub(crate) fn shown(
        &self,
        call: &Call,
        page: &Page<'_>,
        projection: &Projection,
        arguments: &Arguments,
    ) -> Value {
        // A token grows twice by a third when it is encoded.
        let continuation = page.token().map_or(0, |token| token.len() * 2);
        let (mut items, mut taken, mut used) = (Vec::new(), 0, FRAME + continuation);
        let largest_entry = budget::LARGEST.saturating_sub(used + 1);
        let rest = page.items.get(self.cut..).unwrap_or_default();
        for item in rest {
            // One entry alone fits beside the frame.
            let shown = projection.of(item).map(|shown| budget::fitted_to(shown, largest_entry));
            let size = shown.as_ref().map_or(0, |shown| budget::size(shown) + 1);
            // The first is shown in any case, because else `next` would lead to the same place again.
            if used + size > budget::LARGEST && taken > 0 {
                break;
            }
            used += size;
            taken += 1;
            items.extend(shown);
        }
        let left = rest.len() - taken;
        let mut answer = json!({"items": items});
        match call.paging {
            Paging::None if left > 0 => answer["left_out"] = left.into(),
            _ => {
                if let Some(next) = self.after(call.paging, taken, left, page, limit(arguments)) {
                    answer["next"] = next.encoded().into();
                }
            }
        }
        answer
    }

    /// Returns the number of entries before the page.
    pub(crate) fn skipped(&self) -> usize {
        usize::try_from(self.skip).unwrap_or(usize::MAX)
    }

    /// Returns the token of the page, or `None` at the beginning.
    pub(crate) fn token(&self) -> Option<&str> {
        self.continuation.as_deref()
    }

    /// Returns the answer with entries that steps have made from this place on: as many as fit, and `next` if some are left
    /// or there `are_more` behind them.
    pub(crate) fn listed(&self, entries: Vec<Value>, are_more: bool) -> Value {
        let (mut items, mut used, count) = (Vec::new(), FRAME, entries.len());
        for entry in entries {
            let entry = budget::fitted_to(entry, budget::LARGEST.saturating_sub(FRAME + 1));
            used += budget::size(&entry) + 1;
            if used > budget::LARGEST && !items.is_empty() {
                break;
            }
            items.push(entry);
        }
        let taken = items.len();
        let mut answer = json!({"items": items});
        if taken < count || are_more {
            let next = Self { skip: self.skip + taken as u64, ..self.clone() };
            answer["next"] = next.encoded().into();
        }
        answer
    }

    /// Returns the number of parts of the first entry that were shown.
    pub(crate) fn shown_parts(&self) -> usize {
        self.cut
    }

    /// Returns the word that steps gave the place.
    pub(crate) fn word(&self) -> Option<&str> {
        self.continuation.as_deref()
    }

    /// Returns the `next` of steps: after so many entries, and so many parts of the one that follows; with a word of theirs.
    pub(crate) fn next_of_steps(&self, skip: usize, shown_parts: usize, word: &str) -> Value {
        let (skip, continuation) = (skip as u64, Some(word.to_owned()));
        Self { continuation, skip, cut: shown_parts, ..self.clone() }.encoded().into()
    }

    /// Returns the place after the entries that were shown, or `None` at the end.
    fn after(
        &self,
        paging: Paging,
        taken: usize,
        left: usize,
        page: &Page<'_>,
        limit: u64,
    ) -> Option<Self> {
        match paging {
            Paging::Skip => {
                let is_full = page.items.len() as u64 >= limit;
                let skip = self.skip + taken as u64;
                (left > 0 || is_full).then(|| Self { skip, ..self.clone() })
            }
            Paging::Token | Paging::Cut if left > 0 => {
                Some(Self { cut: self.cut + taken, ..self.clone() })
            }
            Paging::None | Paging::Cut => None,
            Paging::Token => {
                page.token().map(|token| Self { continuation: Some(token), cut: 0, ..self.clone() })
            }
        }
    }

    fn encoded(&self) -> String {
        // A place of texts and numbers always serialises.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl Page<'_> {
    fn token(&self) -> Option<String> {
        let in_header = self.headers.get(CONTINUATION).and_then(|value| value.to_str().ok());
        let in_body = self.body.get("continuationToken").and_then(Value::as_str);
        in_header.or(in_body).filter(|token| !token.is_empty()).map(str::to_owned)
    }
}

pub(crate) fn limit(arguments: &Arguments) -> u64 {
    arguments.integer("limit").unwrap_or(PAGE)
}

fn digest_of(tool: &str, arguments: &Arguments) -> String {
    let text = format!("{tool} {}", arguments.without("next"));
    let digest = digest(&SHA256, text.as_bytes());
    let beginning = digest.as_ref().get(..9).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(beginning)
}

#[cfg(test)]
mod tests;
