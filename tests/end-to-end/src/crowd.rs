//! Many calls by a few programs.

use futures_util::stream::{self, StreamExt as _};

use crate::Answer;

/// Programs of a crowd. Each of their calls has a process of its own when it finds all others busy, and starting many more
/// processes would take a small machine longer than an answer may take.
const PROGRAMS: usize = 16;

/// Sends these calls by sixteen programs at a time, each of which waits for the answer before it sends its next call.
/// Returns the answers in the order of their arrival.
pub async fn crowd(calls: impl IntoIterator<Item = impl Future<Output = Answer>>) -> Vec<Answer> {
    stream::iter(calls).buffer_unordered(PROGRAMS).collect().await
}
