//! Filters as a query in WIQL (Work Item Query Language).

use jiff::Timestamp;
use jiff::civil::Date;

use crate::crafted::iterations::below_project;
use crate::engine::arguments::Arguments;
use crate::engine::failure::Failure;
use crate::engine::people;

/// The states of work that nobody has to do any more, in Microsoft's processes.
const ENDED: &str = "'Closed', 'Done', 'Completed', 'Removed', 'Cut', 'Inactive'";

/// Returns a query of these filters. `iteration` is the path of the iteration, which takes its own calls to find.
///
/// # Errors
/// [`Failure::Arguments`] for a time that is none.
pub(super) fn of_filters(
    arguments: &Arguments,
    iteration: Option<&str>,
) -> Result<String, Failure> {
    let mut conditions = Vec::new();
    let mut condition = |filter: Option<String>| conditions.extend(filter);
    let text = |name: &str| arguments.text(name);
    let equals =
        |field: &str, name: &str| text(name).map(|value| format!("[{field}] = {}", quoted(value)));
    condition(equals("System.TeamProject", "project"));
    condition(equals("System.WorkItemType", "type"));
    condition(text("assigned_to").map(|person| match person {
        people::ME => "[System.AssignedTo] = @Me".to_owned(),
        person => format!("[System.AssignedTo] = {}", quoted(person)),
    }));
    condition(text("state").map(|state| match state {
        "open" => format!("[System.State] NOT IN ({ENDED})"),
        state => format!("[System.State] = {}", quoted(state)),
    }));
    let area = text("area").map(|area| below_project(arguments, area));
    condition(area.map(|area| format!("[System.AreaPath] UNDER {}", quoted(&area))));
    condition(iteration.map(|path| format!("[System.IterationPath] UNDER {}", quoted(path))));
    condition(text("tag").map(|tag| format!("[System.Tags] CONTAINS {}", quoted(tag))));
    condition(text("text").map(|text| {
        let text = quoted(text);
        format!("([System.Title] CONTAINS {text} OR [System.Description] CONTAINS WORDS {text})")
    }));
    if let Some(since) = text("changed_since") {
        let is_time = since.parse::<Timestamp>().is_ok() || since.parse::<Date>().is_ok();
        if !is_time {
            let fault = "must be a date or a time, as 2026-11-30 or 2026-11-30T08:00:00Z";
            return Err(Failure::argument("changed_since", fault));
        }
        condition(Some(format!("[System.ChangedDate] >= {}", quoted(since))));
    }
    let conditions = match conditions.as_slice() {
        [] => String::new(),
        conditions => format!(" WHERE {}", conditions.join(" AND ")),
    };
    Ok(format!("SELECT [System.Id] FROM WorkItems{conditions} ORDER BY [System.ChangedDate] DESC"))
}

/// Returns a text of WIQL, in which an apostrophe is doubled.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::arguments::tests::arguments;

    fn query(filters: &Value, iteration: Option<&str>) -> String {
        let query = of_filters(&arguments(filters), iteration).unwrap();
        let query = query.strip_prefix("SELECT [System.Id] FROM WorkItems").unwrap();
        query.strip_suffix(" ORDER BY [System.ChangedDate] DESC").unwrap().to_owned()
    }

    #[test]
    fn each_filter_is_a_condition() {
        for (filters, expected) in [
            (json!({}), ""),
            (json!({"project": "Website"}), " WHERE [System.TeamProject] = 'Website'"),
            (json!({"assigned_to": "me"}), " WHERE [System.AssignedTo] = @Me"),
            (json!({"assigned_to": "Ada"}), " WHERE [System.AssignedTo] = 'Ada'"),
            (
                json!({"type": "Bug", "state": "New"}),
                " WHERE [System.WorkItemType] = 'Bug' AND [System.State] = 'New'",
            ),
            (
                json!({"project": "Website", "area": "Front end/Pages"}),
                " WHERE [System.TeamProject] = 'Website' AND [System.AreaPath] UNDER 'Website\\Front end\\Pages'",
            ),
            (json!({"area": "\\Website\\A"}), " WHERE [System.AreaPath] UNDER 'Website\\A'"),
            (json!({"tag": "x"}), " WHERE [System.Tags] CONTAINS 'x'"),
            (json!({"changed_since": "2026-11-01"}), " WHERE [System.ChangedDate] >= '2026-11-01'"),
        ] {
            assert_eq!(query(&filters, None), expected, "{filters}");
        }
        let iteration = query(&json!({}), Some("Website\\Sprint 1"));
        assert_eq!(iteration, " WHERE [System.IterationPath] UNDER 'Website\\Sprint 1'");
        assert!(query(&json!({"state": "open"}), None).contains("NOT IN ('Closed', "));
    }

    #[test]
    fn a_value_with_apostrophes_stays_a_value() {
        let value = "x' OR [System.Id] > 0 --";
        for filter in ["project", "type", "state", "assigned_to", "tag", "area", "text"] {
            let query = query(&json!({filter: value}), None);
            assert!(query.contains("'x'' OR [System.Id] > 0 --'"), "{query}");
        }
        assert!(of_filters(&arguments(&json!({"changed_since": value})), None).is_err());
    }
}
