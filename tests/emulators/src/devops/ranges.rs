//! `Range: bytes=…` (RFC 9110, section 14): a single range, for resuming downloads.

/// The bytes that a `Range` header requests, given a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Everything: there is no range, or one that servers may ignore, such as several ranges.
    All,
    /// From `start` up to, not including, `end`.
    Part { start: u64, end: u64 },
    /// A range beyond the length.
    Unsatisfiable,
}

impl Asked {
    pub fn of(header: Option<&str>, length: u64) -> Self {
        let Some((first, last)) =
            header.and_then(|header| header.strip_prefix("bytes=")?.trim().split_once('-'))
        else {
            return Self::All;
        };
        let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if last < first => return Self::All,
            (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(length)),
            (Ok(first), Err(_)) if last.is_empty() => (first, length),
            (Err(_), Ok(last)) if first.is_empty() => (length.saturating_sub(last), length),
            _ => return Self::All,
        };
        if start < end { Self::Part { start, end } } else { Self::Unsatisfiable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_taken_from_the_start_the_middle_or_the_end() {
        let asked = |header| Asked::of(Some(header), 100);
        assert_eq!(asked("bytes=0-9"), Asked::Part { start: 0, end: 10 });
        assert_eq!(asked("bytes=90-"), Asked::Part { start: 90, end: 100 });
        assert_eq!(asked("bytes=-5"), Asked::Part { start: 95, end: 100 });
        assert_eq!(asked("bytes=50-1000"), Asked::Part { start: 50, end: 100 });
        assert_eq!(asked("bytes=100-"), Asked::Unsatisfiable);
        assert_eq!(asked("bytes=-0"), Asked::Unsatisfiable);
        for passed_over in ["bytes=5-1", "lines=0-1", "bytes=0-1,5-6", "bytes=x-", "bytes=-"] {
            assert_eq!(asked(passed_over), Asked::All, "{passed_over}");
        }
        assert_eq!(Asked::of(None, 100), Asked::All);
    }
}
