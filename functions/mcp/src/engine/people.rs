//! People, as a model names them: `me`, an e-mail address, a name or an id. Azure DevOps wants ids.

use devops::host::Family;
use devops::organization::OrganizationName;
use ground::remembered::AskError;
use http::Method;
use jiff::SignedDuration;
use serde_json::Value;
use uuid::Uuid;

use super::arguments::Arguments;
use super::failure::Failure;
use super::fill::Template;
use super::session::{Organizations, Outgoing, Session};
use super::show::{Projection, items};
use crate::tools::parameter::Kind;
use crate::tools::tool::{Call, Paging, Tool, Verb};

/// The word for the calling user.
pub(crate) const ME: &str = "me";
/// The time for which the id of a user is remembered. It never changes within an organization.
pub(crate) const KNOWN_FOR: SignedDuration = SignedDuration::from_mins(10);
/// The most matches that a refusal names.
const MOST_NAMED: usize = 10;

/// The search for people and groups by the argument `text`.
pub(crate) const SEARCH: Call = Call {
    host: Family::Vssps,
    method: Verb::Get,
    path: "/_apis/identities",
    query: &[("searchFilter", "=General"), ("filterValue", "text")],
    body: &[],
    items: "",
    paging: Paging::None,
    show: "id name:providerDisplayName mail:properties.Mail.$value group:isContainer",
};

/// Asks an organization for the calling user.
///
/// # Errors
/// As [`Session::call`].
pub(crate) async fn who_am_i(
    organization: &OrganizationName,
    session: &Session<'_>,
) -> Result<Value, Failure> {
    let outgoing = Outgoing {
        organization,
        host: Family::Core,
        method: Method::GET,
        path: "/_apis/connectionData",
        query: "api-version=7.1-preview.1",
        body: None,
    };
    let mut answer = session.call(&outgoing).await?;
    Ok(answer.body["authenticatedUser"].take())
}

/// Returns the id of the calling user in an organization.
///
/// # Errors
/// As [`Session::call`].
pub(crate) async fn my_id(
    organization: &OrganizationName,
    session: &Session<'_>,
) -> Result<String, Failure> {
    let key = (session.connection().id.clone(), organization.clone());
    let ask = || async {
        let me = who_am_i(organization, session).await?;
        let id = me.get("id").and_then(Value::as_str).map(str::to_owned);
        let unknown = || Failure::Other("Azure DevOps does not name the calling user.".to_owned());
        Ok::<_, AskError<Failure>>(id.ok_or_else(unknown)?)
    };
    session.known_ids().get(&key, ask).await
}

/// Returns the arguments with the ids of the people that they name.
///
/// # Errors
/// [`Failure::Arguments`] for a name that nobody or more than one person has; as [`Session::call`].
pub(crate) async fn resolved(
    tool: &Tool,
    arguments: &Arguments,
    session: &Session<'_>,
) -> Result<Arguments, Failure> {
    let mut resolved = arguments.clone();
    if tool.about_organizations == Organizations::Several {
        return Ok(resolved);
    }
    let organization = session.organization(arguments)?;
    for parameter in tool.parameters {
        let name = parameter.name;
        match (&parameter.kind, arguments.get(name)) {
            (Kind::Person, Some(Value::String(person))) => {
                let id = id(name, person, organization, session).await?;
                resolved.replace(name, id.into());
            }
            (Kind::List { of: Kind::Person, .. }, Some(Value::Array(people))) => {
                let mut ids = Vec::new();
                for person in people.iter().filter_map(Value::as_str) {
                    ids.push(id(name, person, organization, session).await?);
                }
                resolved.replace(name, ids.into());
            }
            _ => {}
        }
    }
    Ok(resolved)
}

async fn id(
    argument: &str,
    person: &str,
    organization: &OrganizationName,
    session: &Session<'_>,
) -> Result<String, Failure> {
    if Uuid::parse_str(person).is_ok() {
        return Ok(person.to_owned());
    }
    if person == ME {
        return my_id(organization, session).await;
    }
    let mut search = Arguments::default();
    search.replace("text", person.into());
    let filled = Template::parse(&SEARCH).map_err(Failure::broken_row)?.fill(&search, None)?;
    let outgoing = Outgoing {
        organization,
        host: SEARCH.host,
        method: SEARCH.method.into(),
        path: &filled.path,
        query: &filled.query(),
        body: filled.body.as_ref(),
    };
    let answer = session.call(&outgoing).await?;
    let projection = Projection::parse(SEARCH.show).map_err(Failure::broken_row)?;
    let matches = items(&answer.body, SEARCH.items).unwrap_or_default();
    let matches: Vec<Value> = matches.iter().filter_map(|found| projection.of(found)).collect();
    picked(&matches, person).map_err(|fault| Failure::argument(argument, fault))
}

/// Returns the id of the only match, or of the only one with exactly this name or e-mail address.
fn picked(matches: &[Value], person: &str) -> Result<String, String> {
    let text = |found: &Value, name: &str| {
        found.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_exact = |found: &&Value| {
        ["name", "mail"]
            .iter()
            .any(|name| text(found, name).to_lowercase() == person.to_lowercase())
    };
    let exact: Vec<_> = matches.iter().filter(is_exact).collect();
    match (matches, exact.as_slice()) {
        ([], _) => Err("nobody is found by this name or e-mail address".to_owned()),
        ([only], _) => Ok(text(only, "id")),
        (_, [only]) => Ok(text(only, "id")),
        _ => {
            let named = matches.iter().take(MOST_NAMED);
            let named =
                named.map(|found| format!("{} <{}>", text(found, "name"), text(found, "mail")));
            let named: Vec<_> = named.collect();
            Err(format!(
                "several are found: {}. Name one by e-mail address or id",
                named.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_that_fits_several_people_is_refused_and_an_exact_one_is_not() {
        let ada = json!({"id": "1", "name": "Ada", "mail": "ada@mycompany.example"});
        let adam = json!({"id": "2", "name": "Adam", "mail": "adam@mycompany.example"});
        let both = [ada.clone(), adam.clone()];
        assert_eq!(picked(&both, "ada").unwrap(), "1");
        assert_eq!(picked(&both, "ADAM@mycompany.example").unwrap(), "2");
        assert_eq!(picked(&[adam], "ad").unwrap(), "2");
        let refused = picked(&both, "ad").unwrap_err();
        assert!(refused.contains("Ada <ada@mycompany.example>, Adam <"), "{refused}");
        assert!(picked(&[], "ad").unwrap_err().contains("nobody"));
        assert!(picked(&[ada.clone(), ada], "ada").is_err());
    }
}
