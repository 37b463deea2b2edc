//! Numbers of seconds in the answers of others, read leniently: as a number or a text, with a fraction (in some languages
//! behind a comma) or an exponent.
//! A negative one counts as zero, and one that is too large as the largest.

use std::time::Duration;

use serde_json::value::RawValue;

/// Reads a number of seconds from a text. Returns `None` if it is no decimal number.
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim().replacen(',', ".", 1);
    // Rust's parser accepts `NaN` and `infinity`, too, and makes a number that is too large infinite.
    let is_decimal = |c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E');
    let number: f64 = text.chars().all(is_decimal).then(|| text.parse().ok())??;
    Some(Duration::try_from_secs_f64(number.max(0.0)).unwrap_or(Duration::MAX))
}

/// Reads a number of seconds from a JSON value, a number or a text. Returns `None` for any other value.
pub fn from_json(value: &RawValue) -> Option<Duration> {
    // Not through a number of JSON, because `serde_json` refuses 1e400.
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) => parse(&text),
        Err(_) => parse(value.get()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_json(json: &str) -> Option<Duration> {
        from_json(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn seconds_are_read_in_every_spelling() {
        for (json, seconds) in [
            ("3599", 3599.0),
            ("\"3599\"", 3599.0),
            ("\" 3599 \"", 3599.0),
            ("\"+60\"", 60.0),
            ("\"\\u0037\"", 7.0),
            ("3599.5", 3599.5),
            ("\"3599.0\"", 3599.0),
            ("3.6e3", 3600.0),
            ("\"36E2\"", 3600.0),
            ("0", 0.0),
            ("-0.0", 0.0),
            ("\"0,941641\"", 0.941_641),
            ("-1", 0.0),
            ("\"-3600.5\"", 0.0),
            ("-1e400", 0.0),
        ] {
            assert_eq!(of_json(json), Some(Duration::from_secs_f64(seconds)), "{json}");
        }
    }

    #[test]
    fn seconds_that_are_too_many_are_the_most() {
        for json in ["18446744073709551616", "1e300", "1e400", "\"1e400\""] {
            assert_eq!(of_json(json), Some(Duration::MAX), "{json}");
        }
    }

    #[test]
    fn seconds_of_another_kind_are_absent() {
        for json in [
            "null",
            "true",
            "{}",
            "[3600]",
            "\"\"",
            "\"soon\"",
            "\"NaN\"",
            "\"inf\"",
            "\"-inf\"",
            "\"1h\"",
            "\"0x10\"",
            "\"1,5,0\"",
            "\"7, 7\"",
            "\"--1\"",
            "\"e\"",
            "\".\"",
        ] {
            assert_eq!(of_json(json), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_number_and_any_text_is_read_without_panic(number in any::<f64>(), whole in any::<i128>(), text in ".*") {
            if number.is_finite() {
                prop_assert!(of_json(&number.to_string()).is_some());
                let exponential = format!("\"{number:e}\"");
                prop_assert!(of_json(&exponential).is_some());
            }
            prop_assert!(of_json(&whole.to_string()).is_some());
            let _ = parse(&text);
            let _ = of_json(&serde_json::to_string(&text).unwrap());
        }
    }
}
