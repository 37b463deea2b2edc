//! The comments of work items: only in preview versions.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, ok, time};
use super::failure::{Answer, Failure};
use super::routes::{Level, Route};
use super::work_items::WorkItem;

/// The largest page.
const MOST: usize = 200;

pub(crate) const ROUTES: &[Route] = &[
    Route::new(
        "wit.comments.list",
        "GET",
        "wit/workItems/{id}/comments",
        Level::Project,
        &["vso.work"],
        comments,
    ),
    Route::new(
        "wit.comments.create",
        "POST",
        "wit/workItems/{id}/comments",
        Level::Project,
        &["vso.work_write"],
        add,
    ),
    Route::new(
        "wit.comments.update",
        "PATCH",
        "wit/workItems/{id}/comments/{comment}",
        Level::Project,
        &["vso.work_write"],
        edit,
    ),
];

/// A comment.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    id: u64,
    text: String,
    /// `html` or `markdown`.
    format: String,
    version: u64,
    by: Value,
    at: String,
}

impl Comment {
    pub fn new(id: u64, text: &str, format: &str, call: &Call<'_>) -> Self {
        let (by, at) = (call.caller.reference(call), time(call.now));
        Self { id, text: text.to_owned(), format: format.to_owned(), version: 1, by, at }
    }

    fn to_json(&self, call: &Call<'_>, item: u64) -> Value {
        let base = call.base();
        json!({
            "mentions": [],
            "workItemId": item,
            "id": self.id,
            "version": self.version,
            "text": self.text,
            "createdBy": self.by,
            "createdDate": self.at,
            "modifiedBy": self.by,
            "modifiedDate": self.at,
            "format": self.format,
            "renderedText": format!("<p>{}</p>", self.text),
            "url": format!("{base}/_apis/wit/workItems/{item}/comments/{}", self.id),
        })
    }
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

fn item<'a>(call: &'a mut Call<'_>) -> Result<&'a mut WorkItem, Failure> {
    let (id, project) = (call.parameter("id").to_owned(), call.project().map(|project| project.id));
    let found = id.parse().ok().and_then(|id: u64| call.organization.work_items.get_mut(&id));
    let found = found.filter(|item| Some(item.project) == project);
    found.ok_or_else(|| Failure::work_item(&id))
}

fn comments(call: &mut Call<'_>) -> Answer {
    call.require_preview()?;
    let number = |name: &str| call.query.get_any_case(name).and_then(|value| value.parse().ok());
    let (top, skip) =
        (number("$top").unwrap_or(MOST).min(MOST), number("continuationToken").unwrap_or(0));
    let is_ascending =
        call.query.get_any_case("order").is_some_and(|order| order.eq_ignore_ascii_case("asc"));
    let item = item(call)?;
    let (id, mut all) = (item.id, item.comments.clone());
    if !is_ascending {
        all.reverse();
    }
    let page: Vec<Value> =
        all.iter().skip(skip).take(top).map(|one| one.to_json(call, id)).collect();
    let mut body = json!({"totalCount": all.len(), "count": page.len(), "comments": page});
    if skip + page.len() < all.len() {
        body["continuationToken"] = (skip + page.len()).to_string().into();
        body["nextPage"] = format!("{}/_apis/wit/workItems/{id}/comments", call.base()).into();
    }
    ok(&body)
}

fn format(call: &Call<'_>) -> String {
    call.query.get_any_case("format").unwrap_or("html").to_ascii_lowercase()
}

fn add(call: &mut Call<'_>) -> Answer {
    call.require_preview()?;
    let Text { text } = call.json()?;
    let count = item(call)?.comments.len() as u64;
    let comment = Comment::new(count + 1, &text, &format(call), call);
    let item = item(call)?;
    item.comments.push(comment.clone());
    item.fields.insert("System.CommentCount".into(), item.comments.len().into());
    let id = item.id;
    ok(&comment.to_json(call, id))
}

fn edit(call: &mut Call<'_>) -> Answer {
    call.require_preview()?;
    let Text { text } = call.json()?;
    let (number, format, me) = (call.number("comment"), format(call), call.caller.id.to_string());
    let item = item(call)?;
    let id = item.id;
    let comment = item.comments.iter_mut().find(|comment| Some(comment.id) == number);
    let comment = comment.ok_or_else(|| Failure::not_found("The comment"))?;
    if comment.by["id"] != me {
        return Err(Failure::needs_permission());
    }
    comment.text = text;
    comment.format = format;
    comment.version += 1;
    let comment = comment.clone();
    ok(&comment.to_json(call, id))
}
