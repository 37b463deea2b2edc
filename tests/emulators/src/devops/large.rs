//! Content that is generated while it is sent: of any size, and never whole in memory.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;

use crate::reply::Pieces;

/// Bytes in a piece, and before the gate of a gated attachment.
const PIECE: u64 = 64 * 1024;

/// The content of a large attachment, piece by piece: the same bytes for the same length.
///
/// ```
/// use emulators::devops::LargeContent;
/// assert_eq!(LargeContent::new(100_000).map(|piece| piece.len()).sum::<usize>(), 100_000);
/// ```
#[derive(Clone, Debug)]
pub struct LargeContent {
    at: u64,
    end: u64,
    pattern: Bytes,
}

impl LargeContent {
    /// The whole content of `bytes` bytes.
    pub fn new(bytes: u64) -> Self {
        Self::part(0, bytes)
    }

    /// The bytes from position `start` up to, not including, `end`.
    pub fn part(start: u64, end: u64) -> Self {
        // The period does not divide the piece, so that shifted content is also noticed.
        Self { at: start, end, pattern: (0..=250).cycle().take(64 * 1024).collect() }
    }

    /// Returns the SHA-256 of the remaining pieces, in lower-case hexadecimal.
    pub fn sha256(self) -> String {
        use std::fmt::Write as _;
        let mut hash = Context::new(&SHA256);
        for piece in self {
            hash.update(&piece);
        }
        hash.finish().as_ref().iter().fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
    }

    /// Returns the pieces of an answer: the first at once, the others after `gate` opens.
    pub(crate) fn pieces(mut self, gate: Option<Gate>) -> Pieces {
        let first = self.next();
        let rest = async move {
            if let Some(gate) = gate {
                gate.pass().await;
            }
            stream::iter(self)
        };
        stream::iter(first).chain(stream::once(rest).flatten()).map(Ok).boxed()
    }
}

impl Iterator for LargeContent {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.at >= self.end {
            return None;
        }
        let mut piece = self.pattern.to_vec();
        // Pieces are numbered, so that all of them differ.
        piece[..8].copy_from_slice(&(self.at / PIECE).to_be_bytes());
        let offset = self.at % PIECE;
        let length = (self.end - self.at).min(PIECE - offset);
        self.at += length;
        let range = usize::try_from(offset).ok()?..usize::try_from(offset + length).ok()?;
        Some(Bytes::from(piece).slice(range))
    }
}

/// Holds an answer after its first piece until it is opened. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<Doors>);

struct Doors {
    open: watch::Sender<bool>,
    arrived: watch::Sender<u32>,
}

impl Gate {
    /// A gate that is closed.
    pub fn closed() -> Self {
        Self(Arc::new(Doors { open: watch::Sender::new(false), arrived: watch::Sender::new(0) }))
    }

    /// Lets the rest of every answer through, also of those that come later.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        *self.0.open.borrow()
    }

    /// Waits until at least this many answers have sent their first piece and come to the gate.
    pub async fn arrived(&self, answers: u32) {
        let mut arrived = self.0.arrived.subscribe();
        // It fails only after the gate is dropped, and `self` keeps it alive.
        drop(arrived.wait_for(|arrived| *arrived >= answers).await);
    }

    async fn pass(&self) {
        self.0.arrived.send_modify(|arrived| *arrived += 1);
        let mut open = self.0.open.subscribe();
        drop(open.wait_for(|open| *open).await);
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_open() { "Gate(open)" } else { "Gate(closed)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_equals_the_same_range_of_the_whole() {
        let whole = LargeContent::new(200_000).collect::<Vec<_>>().concat();
        assert_eq!(whole.len(), 200_000);
        for (start, end) in [(0, 1), (65_530, 65_560), (70_000, 200_000), (5, 5)] {
            let part = LargeContent::part(start, end).collect::<Vec<_>>().concat();
            let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
            assert_eq!(part, whole[range]);
        }
    }

    #[tokio::test]
    async fn a_closed_gate_lets_only_the_first_piece_through() {
        let gate = Gate::closed();
        let mut pieces = LargeContent::new(3 * PIECE).pieces(Some(gate.clone()));
        assert!(pieces.next().await.is_some());
        let mut rest = std::pin::pin!(pieces.count());
        assert!(futures_util::poll!(rest.as_mut()).is_pending());
        gate.arrived(1).await;
        assert!(!gate.is_open());
        gate.open();
        assert_eq!(rest.await, 2);
    }
}
