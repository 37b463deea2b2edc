//! Answers end at a budget, because a model pays for each byte. An answer is always whole JSON.

use serde_json::{Value, json};

/// The largest answer, in bytes.
pub const LARGEST: usize = 40_000;

/// The length below which texts are not cut, in bytes.
const SHORTEST: usize = 32;
/// The number of members that an object keeps at least.
const FEWEST_MEMBERS: usize = 32;
/// The longest name of a member in a shortened answer, in bytes.
const LONGEST_NAME: usize = 200;

/// Returns a value that fits the budget. Texts and lists that are too long are cut, each with a remark on what is left out.
pub(crate) fn fitted(value: Value) -> Value {
    fitted_to(value, LARGEST)
}

/// Returns a value that fits this budget in bytes, see [`fitted`].
pub(crate) fn fitted_to(value: Value, largest: usize) -> Value {
    if size(&value) <= largest {
        return value;
    }
    let mut longest = largest / 2;
    while longest >= SHORTEST {
        let cut = cut(&value, longest, longest / SHORTEST);
        if size(&cut) <= largest {
            return cut;
        }
        longest /= 2;
    }
    json!({"left_out": "The answer is too large to show; ask for less."})
}

/// Returns the size of a value as JSON, in bytes.
pub(crate) fn size(value: &Value) -> usize {
    value.to_string().len()
}

/// Returns a text of at most `longest` bytes. A longer one is cut there, and a remark follows on what is left out.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    let (kept, left_out) = text.split_at(end);
    format!("{kept}… [{} bytes left out]", left_out.len())
}

fn cut(value: &Value, longest: usize, most: usize) -> Value {
    match value {
        Value::String(text) => shortened(text, longest).into(),
        Value::Array(entries) => {
            let kept = entries.iter().take(most).map(|entry| cut(entry, longest, most));
            let left_out = entries.len().saturating_sub(most);
            let remark = (left_out > 0).then(|| format!("… [{left_out} entries left out]").into());
            Value::Array(kept.chain(remark).collect())
        }
        Value::Object(members) => {
            let kept = members.iter().take(most.max(FEWEST_MEMBERS));
            let mut kept: serde_json::Map<_, _> = kept
                .map(|(name, value)| (shortened(name, LONGEST_NAME), cut(value, longest, most)))
                .collect();
            if members.len() > kept.len() {
                kept.insert("left_out".to_owned(), (members.len() - kept.len()).into());
            }
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_within_the_budget_stays_as_it_is() {
        let value = json!({"text": "x".repeat(39_000)});
        assert_eq!(fitted(value.clone()), value);
    }

    #[test]
    fn a_larger_answer_is_shortened_and_says_so() {
        for (value, remark) in [
            (json!({"a": "ü".repeat(100_000)}), "bytes left out"),
            (json!({"a": vec!["x".repeat(100); 5_000]}), "entries left out"),
            (json!(vec![json!({"a": vec![1; 500]}); 500]), "entries left out"),
        ] {
            let text = fitted(value).to_string();
            assert!(text.len() <= LARGEST, "{}", text.len());
            assert!(text.contains(remark));
            assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
        let wide: Value = (0..10_000).map(|n| (format!("member {n}"), json!(n))).collect();
        assert!(size(&fitted(wide)) <= LARGEST);
        let mut bushy = json!("leaf");
        for _ in 0..3 {
            bushy = (0..40).map(|n| (format!("member {n}"), bushy.clone())).collect();
        }
        assert!(size(&fitted(bushy)) <= LARGEST);
    }
}
