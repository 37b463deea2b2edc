//! Attachments that are too large to be kept: made piece by piece while they are sent.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::watch;
use uuid::Uuid;

use crate::reply::Pieces;

/// The size of a piece, in bytes.
const PIECE: u64 = 64 * 1024;

/// An attachment that exists only on the wire.
#[derive(Clone, Debug)]
pub struct LargeAttachment {
    id: Uuid,
    bytes: u64,
    open: watch::Sender<bool>,
}

impl LargeAttachment {
    pub(crate) fn new(bytes: u64, gated: bool) -> Self {
        Self { id: Uuid::new_v4(), bytes, open: watch::Sender::new(!gated) }
    }

    /// Its id in addresses.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Its length, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lets what comes after the first piece go on.
    pub fn release(&self) {
        self.open.send_replace(true);
    }

    /// What it consists of: the same bytes each time, different at each place.
    pub fn content(&self) -> impl Iterator<Item = Bytes> + Send + use<> {
        let bytes = self.bytes;
        (0..bytes.div_ceil(PIECE))
            .map(move |number| piece(number, PIECE.min(bytes - number * PIECE)))
    }

    pub(crate) fn pieces(&self) -> Pieces {
        let mut open = self.open.subscribe();
        let gate = stream::once(async move {
            // The sender lives as long as the attachment; without it nobody waits.
            drop(open.wait_for(|open| *open).await);
        });
        let mut content = self.content();
        let first = stream::iter(content.next().map(Ok));
        let gate = gate.filter_map(|()| std::future::ready(None));
        first.chain(gate).chain(stream::iter(content.map(Ok))).boxed()
    }
}

fn piece(number: u64, bytes: u64) -> Bytes {
    let words = (0..bytes.div_ceil(8)).map(|word| {
        let place = number * PIECE / 8 + word;
        // A multiplicative hash: nothing repeats, and nothing can be compressed.
        place
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
    });
    let mut piece: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    piece.truncate(usize::try_from(bytes).unwrap_or_default());
    piece.into()
}
