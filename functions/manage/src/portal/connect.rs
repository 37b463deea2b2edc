//! Connecting a user from the portal: the link, and confirming the connection that it started.

use askama::Template;
use edge::parameters::Query;
use edge::problem::{Code, Problem};
use http::StatusCode;
use secrecy::SecretString;
use url::form_urlencoded;
use vault::connections::{Account, Connection};
use vault::ids::InvalidId;
use vault::integrations::{Confirmation, Integration};

use super::form::{Form, Refusal};
use super::frame::{Frame, Notice, Section, go_on, shown, to};
use super::integration::{self, ConnectForm};
use super::visit::Visit;
use crate::HttpResult;
use crate::operations::connect_sessions::CreateConnectSession;

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    frame: Frame,
    user: String,
    link: String,
    finish: Finish,
}

/// Who confirms the connection.
enum Finish {
    /// An operator, in the portal.
    Portal,
    /// Nobody has to confirm it.
    Nobody,
    /// The application, at this address.
    Application(String),
    /// The application, which also makes the link.
    ApplicationsPage,
}

impl LinkPage {
    /// Returns whether the link is a connect session's, which expires.
    fn is_session(&self) -> bool {
        !matches!(self.finish, Finish::ApplicationsPage)
    }
}

#[derive(Template)]
#[template(path = "finish_connecting.html")]
struct FinishPage {
    frame: Frame,
    outcome: Outcome,
}

/// The result with which the browser came back.
enum Outcome {
    /// Tokens that wait for the operator's confirmation.
    Finished { connection: Box<Connection>, account: Account, confirmation: String },
    /// Nothing to confirm: already confirmed, refused, or expired.
    Nothing { connection: Box<Connection> },
    /// A refusal.
    Refused { title: &'static str, advice: &'static str },
}

/// Shows a link for a user of an integration.
pub(super) async fn connect(visit: &Visit<'_>, id: &str, form: &Form) -> HttpResult {
    let integration = visit.integration(id).await?;
    let mut entered = ConnectForm {
        user: form.text("user").to_owned(),
        organization: form.text("organization").to_owned(),
        return_to: form.text("return_to").to_owned(),
        refusal: None,
    };
    let answered = link(visit, &integration, &entered).await;
    entered.refusal = answered.as_ref().err().and_then(Refusal::of);
    if entered.refusal.is_none() {
        return answered;
    }
    integration::show(visit, integration, None, entered).await
}

/// Shows a link with which the user of a connection connects again, or the form for one.
pub(super) async fn reconnect(visit: &Visit<'_>, id: &str) -> HttpResult {
    let connection = visit.connection(id).await?;
    let integration = visit.integration(connection.integration.as_str()).await?;
    let organization = connection.organization.as_ref().map(ToString::to_string);
    let organization = organization.unwrap_or_default();
    let user = connection.user.to_string();
    if let Some(link) = integration.reconnect_url(&connection.id) {
        // The application's own page makes the link.
        return show_link(visit, user, link.into(), Finish::ApplicationsPage);
    }
    if integration.settings.confirmation == Confirmation::None {
        let again = ConnectForm { user, organization, ..ConnectForm::default() };
        return link(visit, &integration, &again).await;
    }
    // The operator enters where the user returns to.
    let filled = form_urlencoded::Serializer::new(String::new())
        .append_pair("user", &user)
        .append_pair("organization", &organization)
        .finish();
    to(&format!("/portal/integrations/{}?{filled}#connect", integration.id))
}

async fn link(visit: &Visit<'_>, integration: &Integration, entered: &ConnectForm) -> HttpResult {
    let user = entered.user.parse();
    let user = user.map_err(|error: InvalidId| Problem::field("user", error.to_string()))?;
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let request = CreateConnectSession {
        integration: integration.id.clone(),
        user: Some(user),
        organization: filled(&entered.organization),
        return_to: filled(&entered.return_to),
        login_hint: None,
        scopes: None,
    };
    let (sessions, caller) = (&visit.operations.connect_sessions, &visit.operator.caller);
    let (link, finish) = match (entered.return_to.as_str(), integration.settings.confirmation) {
        ("", Confirmation::Required) => {
            (sessions.create_for_portal(caller, request).await?, Finish::Portal)
        }
        ("", Confirmation::None) => (sessions.create(caller, request).await?, Finish::Nobody),
        (page, _) => {
            (sessions.create(caller, request).await?, Finish::Application(page.to_owned()))
        }
    };
    show_link(visit, entered.user.clone(), link.url.into(), finish)
}

fn show_link(visit: &Visit<'_>, user: String, link: String, finish: Finish) -> HttpResult {
    let frame = Frame::new(visit, Section::Connections, "Connect link");
    shown(StatusCode::OK, &LinkPage { frame, user, link, finish })
}

/// Shows who has signed in with a link of the portal, and asks the operator to confirm it.
pub(super) async fn finish_page(visit: &Visit<'_>) -> HttpResult {
    let query = Query::of(visit.request)?;
    let outcome = if let Some(word) = query.get("error") {
        let code = Code::ALL.iter().find(|code| code.as_str() == word);
        let code = code.copied().unwrap_or(Code::InternalError);
        Outcome::Refused { title: code.title(), advice: code.advice() }
    } else {
        let id = query.required("connection_id")?;
        let connection = visit.connection(id).await?;
        match connection.pending.as_ref().map(|pending| pending.account.clone()) {
            None => Outcome::Nothing { connection: Box::new(connection) },
            Some(account) => Outcome::Finished {
                account,
                connection: Box::new(connection),
                confirmation: query.required("confirmation")?.to_owned(),
            },
        }
    };
    let frame = Frame::new(visit, Section::Connections, "Finish connecting");
    shown(StatusCode::OK, &FinishPage { frame, outcome })
}

/// Confirms a connection: the operator vouches for the user whom the page named.
pub(super) async fn confirm(visit: &Visit<'_>, form: &Form) -> HttpResult {
    let (connection, confirmation) = sent(visit, form).await?;
    let (connections, caller) = (&visit.operations.connections, &visit.operator.caller);
    let user = Some(connection.user);
    connections.confirm(caller, &connection.id, &confirmation, user, visit.log).await?;
    go_on(&format!("/portal/connections/{}", connection.id), Notice::Connected)
}

/// Erases the tokens of a sign-in, because the operator sees that somebody else has signed in.
pub(super) async fn refuse(visit: &Visit<'_>, form: &Form) -> HttpResult {
    let (connection, confirmation) = sent(visit, form).await?;
    visit.operations.connections.refuse(&connection, &confirmation, visit.log).await?;
    go_on("/portal/connections", Notice::Refused)
}

/// Reads the connection and its confirmation from the form of [`finish_page`].
async fn sent(visit: &Visit<'_>, form: &Form) -> Result<(Connection, SecretString), Problem> {
    let connection = visit.connection(form.text("connection_id")).await?;
    Ok((connection, form.secret("confirmation").unwrap_or_default()))
}
