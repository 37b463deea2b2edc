//! Folders as zip archives (APPNOTE.TXT of PKWARE), stored without compression.

use bytes::Bytes;

/// 1980-01-01, the earliest date of the format.
const DATE: u16 = 0x21;
const VERSION: u16 = 20;
/// Names are UTF-8.
const FLAGS: u16 = 0x0800;

/// Builds an archive of files, each with its path inside. Returns `None` if it is too large for the format.
pub(crate) fn zip<'a>(files: impl Iterator<Item = (&'a str, &'a Bytes)>) -> Option<Vec<u8>> {
    let (mut archive, mut directory, mut entries) = (Vec::new(), Vec::new(), 0_u16);
    for (path, content) in files {
        let offset = u32::try_from(archive.len()).ok()?;
        let entry = entry(path, content)?;
        archive.extend(*b"PK\x03\x04");
        archive.extend_from_slice(&entry);
        archive.extend_from_slice(path.as_bytes());
        archive.extend_from_slice(content);
        directory.extend(*b"PK\x01\x02");
        directory.extend(VERSION.to_le_bytes());
        directory.extend_from_slice(&entry);
        // No comment, first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend_from_slice(path.as_bytes());
        entries = entries.checked_add(1)?;
    }
    let start = u32::try_from(archive.len()).ok()?;
    let length = u32::try_from(directory.len()).ok()?;
    archive.append(&mut directory);
    archive.extend(*b"PK\x05\x06\0\0\0\0");
    archive.extend(entries.to_le_bytes());
    archive.extend(entries.to_le_bytes());
    archive.extend(length.to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0; 2]);
    Some(archive)
}

/// The common part of a file's header and of its entry in the directory.
fn entry(path: &str, content: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(content.len()).ok()?.to_le_bytes();
    let mut entry = Vec::new();
    for number in [VERSION, FLAGS, 0, 0, DATE] {
        entry.extend(number.to_le_bytes());
    }
    entry.extend(checksum(content).to_le_bytes());
    entry.extend(length);
    entry.extend(length);
    entry.extend(u16::try_from(path.len()).ok()?.to_le_bytes());
    entry.extend([0; 2]);
    Some(entry)
}

/// CRC-32 with the polynomial of zip.
fn checksum(content: &[u8]) -> u32 {
    !content.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_format() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn the_directory_leads_to_every_file() {
        let (one, two) = (Bytes::from_static(b"one"), Bytes::new());
        let archive = zip([("a/ä.txt", &one), ("b", &two)].into_iter()).unwrap();
        let end = archive.len() - 22;
        assert_eq!(&archive[end..end + 4], b"PK\x05\x06");
        let number = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap());
        let (length, start) = (number(end + 12), number(end + 16));
        assert_eq!(usize::try_from(start + length).unwrap(), end);
        let first = usize::try_from(start).unwrap();
        assert_eq!(&archive[first..first + 4], b"PK\x01\x02");
        let second = first + 46 + "a/ä.txt".len();
        assert_eq!(&archive[second..second + 4], b"PK\x01\x02");
        let offset = usize::try_from(number(second + 42)).unwrap();
        assert_eq!(&archive[offset..offset + 4], b"PK\x03\x04");
        assert_eq!(archive[offset + 30], b'b');
    }
}
