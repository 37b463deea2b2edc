//! The Work Item Query Language: flat queries `SELECT … FROM WorkItems WHERE … ORDER BY …`.

use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, ok, time};
use super::failure::{Answer, Failure};
use super::queries;
use super::work_items::WorkItem;

#[derive(Deserialize)]
struct Query {
    query: String,
}

/// The most work items that a query without `$top` finds.
const MOST_FOUND: usize = 20_000;

/// `POST …/wit/wiql`
pub(crate) fn query(call: &mut Call<'_>) -> Answer {
    let Query { query } = call.json()?;
    answer(call, &query)
}

/// `GET …/wit/wiql/{query}`, by id only.
pub(crate) fn saved(call: &mut Call<'_>) -> Answer {
    let query = queries::statement(call.parameter("query"))?;
    answer(call, query)
}

fn answer(call: &mut Call<'_>, query: &str) -> Answer {
    let is_precise = call
        .query
        .get_any_case("timePrecision")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let tokens = tokens(query)?;
    let has_time = |token: &Token| matches!(token, Token::Text(text) if text.contains('T') && text.ends_with('Z'));
    if !is_precise && tokens.iter().any(has_time) {
        return Err(Failure::wiql("you cannot supply a time with the date when running a query."));
    }
    let statement =
        Parser { tokens, at: 0 }.statement().map_err(|reason| Failure::wiql(&reason))?;
    let scope = Scope {
        project: call.project().map(|project| project.name.clone()).unwrap_or_default(),
        me: call.caller.name.clone(),
    };
    let project = call.project().map(|project| project.id);
    let mut found: Vec<&WorkItem> = call
        .organization
        .work_items
        .values()
        .filter(|item| project.is_none_or(|project| project == item.project))
        .filter(|item| {
            statement.condition.as_ref().is_none_or(|condition| condition.holds(item, &scope))
        })
        .collect();
    for (field, descending) in statement.order.iter().rev() {
        found.sort_by(|left, right| {
            let order = compare(&text(left.field(field)), &text(right.field(field)));
            if *descending { order.reverse() } else { order }
        });
    }
    let top = call.query.get_any_case("$top").and_then(|top| top.parse().ok());
    if top.is_none() && found.len() > MOST_FOUND {
        return Err(Failure::too_many_work_items(MOST_FOUND));
    }
    found.truncate(top.unwrap_or(MOST_FOUND));
    let base = call.base();
    let columns: Vec<Value> = statement
        .fields
        .iter()
        .map(|field| {
            let name = field.rsplit('.').next().unwrap_or(field);
            let name = if name.eq_ignore_ascii_case("Id") { "ID" } else { name };
            json!({"referenceName": field, "name": name, "url": format!("{base}/_apis/wit/fields/{field}")})
        })
        .collect();
    let items: Vec<Value> = found
        .iter()
        .map(
            |item| json!({"id": item.id, "url": format!("{base}/_apis/wit/workItems/{}", item.id)}),
        )
        .collect();
    let mut body = json!({
        "queryType": "flat",
        "queryResultType": "workItem",
        "asOf": time(call.now),
        "columns": columns,
        "workItems": items,
    });
    if !statement.order.is_empty() {
        body["sortColumns"] = statement
            .order
            .iter()
            .map(|(field, descending)| json!({"field": {"referenceName": field}, "descending": descending}))
            .collect();
    }
    ok(&body)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Field(String),
    Text(String),
    Symbol(String),
}

fn tokens(query: &str) -> Result<Vec<Token>, Failure> {
    let mut tokens = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '[' => {
                let end =
                    rest.find(']').ok_or_else(|| Failure::wiql("a field name is not closed"))?;
                (Token::Field(rest[1..end].trim().to_owned()), end + 1)
            }
            '\'' | '"' => {
                let (text, length) =
                    quoted(rest, first).ok_or_else(|| Failure::wiql("a text is not closed"))?;
                (Token::Text(text), length)
            }
            '<' | '>' | '=' | '(' | ')' | ',' | '*' => {
                let length =
                    if rest.starts_with("<>") || rest.starts_with("<=") || rest.starts_with(">=") {
                        2
                    } else {
                        1
                    };
                (Token::Symbol(rest[..length].to_owned()), length)
            }
            _ => {
                let length = rest
                    .find(|character: char| {
                        character.is_whitespace() || "[]'\"<>=(),".contains(character)
                    })
                    .unwrap_or(rest.len());
                if length == 0 {
                    return Err(Failure::wiql("a character is not expected here"));
                }
                (Token::Word(rest[..length].to_owned()), length)
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// The text of a literal, a doubled quote meaning itself, and how many bytes it takes.
fn quoted(input: &str, quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut characters = input.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            text.push(character);
        } else if characters.peek().is_some_and(|(_, next)| *next == quote) {
            characters.next();
            text.push(quote);
        } else {
            return Some((text, at + 1));
        }
    }
    None
}

struct Statement {
    fields: Vec<String>,
    condition: Option<Condition>,
    /// Field, and whether descending.
    order: Vec<(String, bool)>,
}

enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare(String, String, Vec<String>),
}

/// The values of macros.
struct Scope {
    project: String,
    me: String,
}

impl Condition {
    fn holds(&self, item: &WorkItem, scope: &Scope) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(item, scope)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(item, scope)),
            Self::Not(part) => !part.holds(item, scope),
            Self::Compare(field, operator, values) => {
                let actual = text(item.field(field));
                let values: Vec<String> = values
                    .iter()
                    .map(|value| match value.to_ascii_lowercase().as_str() {
                        "@project" => scope.project.clone(),
                        "@me" => scope.me.clone(),
                        _ => value.clone(),
                    })
                    .collect();
                let first = values.first().map(String::as_str).unwrap_or_default();
                let order = match item.field(field) {
                    // An identity is equal to its e-mail address, too.
                    Some(identity)
                        if identity["uniqueName"]
                            .as_str()
                            .is_some_and(|name| name.eq_ignore_ascii_case(first)) =>
                    {
                        Ordering::Equal
                    }
                    _ => compare(&actual, first),
                };
                match operator.as_str() {
                    "=" => order == Ordering::Equal,
                    "<>" => order != Ordering::Equal,
                    "<" => order == Ordering::Less,
                    ">" => order == Ordering::Greater,
                    "<=" => order != Ordering::Greater,
                    ">=" => order != Ordering::Less,
                    "in" => values.iter().any(|value| compare(&actual, value) == Ordering::Equal),
                    "contains" | "contains words" => {
                        actual.to_lowercase().contains(&first.to_lowercase())
                    }
                    _ => {
                        // `under`: the path itself and all paths below it
                        let (actual, first) = (actual.to_lowercase(), first.to_lowercase());
                        actual == first || actual.starts_with(&format!("{first}\\"))
                    }
                }
            }
        }
    }
}

/// Compares numbers by value, and everything else as text without case.
fn compare(left: &str, right: &str) -> Ordering {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
        _ => left.to_lowercase().cmp(&right.to_lowercase()),
    }
}

fn text(value: Option<Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        // An identity is compared by its name.
        Some(Value::Object(identity)) => {
            identity.get("displayName").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        Some(other) => other.to_string(),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(found)) if found == symbol);
        self.at += usize::from(found);
        found
    }

    fn field(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Field(name)) => Ok(name),
            Some(Token::Word(name)) if name.contains('.') => Ok(name),
            _ => Err("a field name is expected".to_owned()),
        }
    }

    fn statement(mut self) -> Result<Statement, String> {
        if !self.take_word("select") {
            return Err("SELECT is expected".to_owned());
        }
        let mut fields = Vec::new();
        if self.take_symbol("*") {
            fields.push("System.Id".to_owned());
        } else {
            loop {
                fields.push(self.field()?);
                if !self.take_symbol(",") {
                    break;
                }
            }
        }
        if !(self.take_word("from") && self.take_word("workitems")) {
            return Err("FROM WorkItems is expected".to_owned());
        }
        let condition = if self.take_word("where") { Some(self.any()?) } else { None };
        let mut order = Vec::new();
        if self.take_word("order") {
            if !self.take_word("by") {
                return Err("ORDER BY is expected".to_owned());
            }
            loop {
                let field = self.field()?;
                let descending = self.take_word("desc");
                let _the_default = !descending && self.take_word("asc");
                order.push((field, descending));
                if !self.take_symbol(",") {
                    break;
                }
            }
        }
        match self.peek() {
            None => Ok(Statement { fields, condition, order }),
            Some(token) => Err(format!("{token:?} is not expected")),
        }
    }

    fn any(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.all()?];
        while self.take_word("or") {
            parts.push(self.all()?);
        }
        Ok(Condition::Any(parts))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.one()?];
        while self.take_word("and") {
            parts.push(self.one()?);
        }
        Ok(Condition::All(parts))
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.take_word("not") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.take_symbol("(") {
            let inner = self.any()?;
            return if self.take_symbol(")") {
                Ok(inner)
            } else {
                Err("a bracket is not closed".to_owned())
            };
        }
        let field = self.field()?;
        let negated = self.take_word("not");
        let operator = match self.next() {
            Some(Token::Symbol(symbol))
                if matches!(symbol.as_str(), "=" | "<>" | "<" | ">" | "<=" | ">=") =>
            {
                symbol
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("contains") => {
                if self.take_word("words") { "contains words" } else { "contains" }.to_owned()
            }
            Some(Token::Word(word))
                if word.eq_ignore_ascii_case("in") || word.eq_ignore_ascii_case("under") =>
            {
                word.to_ascii_lowercase()
            }
            _ => return Err(format!("an operator is expected after {field}")),
        };
        let values = if operator == "in" { self.values()? } else { vec![self.value()?] };
        let condition = Condition::Compare(field, operator, values);
        Ok(if negated { Condition::Not(Box::new(condition)) } else { condition })
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        if !self.take_symbol("(") {
            return Err("a bracket is expected after IN".to_owned());
        }
        let mut values = vec![self.value()?];
        while self.take_symbol(",") {
            values.push(self.value()?);
        }
        if self.take_symbol(")") { Ok(values) } else { Err("a bracket is not closed".to_owned()) }
    }

    fn value(&mut self) -> Result<String, String> {
        match self.next() {
            Some(Token::Text(value) | Token::Word(value)) => Ok(value),
            _ => Err("a value is expected".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn holds(condition: &str) -> bool {
        let item =
            WorkItem::seeded(7, uuid::Uuid::nil(), "Website", "Bug", "It's broken", "Active");
        let query = format!(
            "SELECT [System.Id] FROM WorkItems WHERE {condition} ORDER BY [System.Id] DESC"
        );
        let statement = Parser { tokens: tokens(&query).ok().unwrap(), at: 0 }.statement().unwrap();
        assert_eq!(statement.order, [("System.Id".to_owned(), true)]);
        let scope = Scope { project: "Website".into(), me: "Ada Lovelace".into() };
        statement.condition.unwrap().holds(&item, &scope)
    }

    #[test]
    fn where_clauses_are_understood() {
        assert!(holds("[System.Id] = 7"));
        assert!(holds("([System.Id] = 1 OR [System.Id] = 7) AND [System.State] = 'active'"));
        assert!(holds("[System.Title] CONTAINS 'BROKEN'"));
        assert!(holds("[System.Title] = 'It''s broken'"));
        assert!(holds("[System.TeamProject] = @project AND [System.Id] > 6 AND [System.Id] <= 7"));
        assert!(holds("[System.State] NOT IN ('Closed', 'Removed')"));
        assert!(holds("[System.AreaPath] UNDER 'Website'"));
        assert!(!holds("NOT [System.WorkItemType] IN ('Bug', 'Task')"));
        assert!(!holds("[System.State] <> 'Active'"));
    }

    #[test]
    fn broken_statements_are_refused() {
        for query in [
            "",
            "SELECT",
            "SELECT [System.Id] FROM Tables",
            "SELECT [System.Id] FROM WorkItems WHERE [a.b] =",
        ] {
            let parsed =
                tokens(query).ok().map(|tokens| Parser { tokens, at: 0 }.statement().is_ok());
            assert_eq!(parsed, Some(false), "{query}");
        }
        assert!(tokens("SELECT [System.Id").is_err());
        assert!(tokens("'open").is_err());
    }
}
