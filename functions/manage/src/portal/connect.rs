//! Connecting a user from the portal: the link, and finishing what it started.

use askama::Template;
use edge::gateway::Body;
use edge::parameters::Query;
use edge::problem::{Code, Problem};
use http::{Response, StatusCode};
use url::form_urlencoded;
use vault::connections::{Account, Connection};
use vault::integrations::{Confirmation, Integration};

use super::Visit;
use super::form::Form;
use super::frame::{Frame, Notice, Section, go_on, shown, to};
use super::integration::ConnectForm;
use super::refusal::Refusal;
use crate::Manage;
use crate::api::wire::{ConnectSessionView, CreateConnectSession, connection_id};

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    frame: Frame,
    user: String,
    link: String,
    finish: Finish,
}

/// Who finishes what the link starts.
enum Finish {
    /// An operator, in the portal.
    Portal,
    /// Nobody has to.
    Nobody,
    /// The application, at this address.
    Application(String),
    /// The application, which also makes the link itself.
    ApplicationsPage,
}

impl LinkPage {
    /// Whether the link is a connect session's, which ends.
    fn is_session(&self) -> bool {
        !matches!(self.finish, Finish::ApplicationsPage)
    }

    fn of_application(visit: &Visit<'_>, user: String, link: String) -> Self {
        let frame = Frame::new(visit, Section::Connections, "Connect link");
        Self { frame, user, link, finish: Finish::ApplicationsPage }
    }
}

#[derive(Template)]
#[template(path = "finish_connecting.html")]
struct ConnectedPage {
    frame: Frame,
    outcome: Outcome,
}

/// How the browser came back.
enum Outcome {
    /// With tokens that wait for the operator's word.
    Finished { connection: Box<Connection>, account: Account, confirmation: String },
    /// Confirmed already, refused, or too late.
    Nothing { connection: Box<Connection> },
    /// Without.
    Refused { title: &'static str, advice: &'static str },
}

impl Manage {
    pub(super) async fn connect_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
        form: &Form,
    ) -> Result<Response<Body>, Problem> {
        let integration = self.named_integration(id, visit.log).await?;
        let mut entered = ConnectForm {
            user: form.text("user").to_owned(),
            organization: form.text("organization").to_owned(),
            return_to: form.text("return_to").to_owned(),
            refusal: None,
        };
        match self.link(visit, &integration, &entered).await {
            Ok(page) => Ok(page),
            Err(problem) => match Refusal::of(&problem) {
                None => Err(problem),
                refusal => {
                    entered.refusal = refusal;
                    self.show_integration(visit, integration, None, entered)
                }
            },
        }
    }

    pub(super) async fn reconnect_page(
        &self,
        visit: &Visit<'_>,
        id: &str,
    ) -> Result<Response<Body>, Problem> {
        let caller = &visit.operator.caller;
        let connection = self.connection_on(visit, id).await?;
        let integration = self.visible_integration(caller, &connection.integration).await?;
        let organization = connection.organization.as_ref().map(ToString::to_string);
        let organization = organization.unwrap_or_default();
        let user = connection.user.to_string();
        if let Some(link) = integration.reconnect_url(&connection.id) {
            // The application's own page, where it makes the link itself.
            return shown(StatusCode::OK, &LinkPage::of_application(visit, user, link.to_string()));
        }
        if integration.settings.confirmation == Confirmation::None {
            let again = ConnectForm { user, organization, ..ConnectForm::default() };
            return self.link(visit, &integration, &again).await;
        }
        // Where the user comes back to has to be said.
        let filled = form_urlencoded::Serializer::new(String::new())
            .append_pair("user", &user)
            .append_pair("organization", &organization)
            .finish();
        to(&format!("/portal/integrations/{}?{filled}#connect", integration.id))
    }

    async fn link(
        &self,
        visit: &Visit<'_>,
        integration: &Integration,
        entered: &ConnectForm,
    ) -> Result<Response<Body>, Problem> {
        let user = entered
            .user
            .parse()
            .map_err(|error: vault::ids::InvalidId| Problem::field("user", error.to_string()))?;
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let finishes_here = entered.return_to.is_empty()
            && integration.settings.confirmation == Confirmation::Required;
        let wish = CreateConnectSession {
            integration: integration.id.clone(),
            user: Some(user),
            organization: filled(&entered.organization),
            return_to: filled(&entered.return_to),
            login_hint: None,
            scopes: None,
        };
        let own = finishes_here.then(|| self.own_url("/portal/connected"));
        let caller = &visit.operator.caller;
        let ConnectSessionView { connect_url, .. } = self.open_session(caller, wish, own).await?;
        shown(
            StatusCode::OK,
            &LinkPage {
                frame: Frame::new(visit, Section::Connections, "Connect link"),
                user: entered.user.clone(),
                link: connect_url,
                finish: match entered.return_to.as_str() {
                    "" if finishes_here => Finish::Portal,
                    "" => Finish::Nobody,
                    address => Finish::Application(address.to_owned()),
                },
            },
        )
    }

    pub(super) async fn connected_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Body>, Problem> {
        let query = Query::of(visit.request)?;
        let outcome = if let Some(word) = query.get("error") {
            let code = Code::ALL.iter().find(|code| code.as_str() == word);
            let code = code.copied().unwrap_or(Code::InternalError);
            Outcome::Refused { title: code.title(), advice: code.advice() }
        } else {
            let id = query.required("connection_id")?;
            let connection = self.connection_on(visit, id).await?;
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
        shown(StatusCode::OK, &ConnectedPage { frame, outcome })
    }

    /// The operator vouches for the user whom the page named.
    pub(super) async fn finish_connecting(
        &self,
        visit: &Visit<'_>,
        form: &Form,
    ) -> Result<Response<Body>, Problem> {
        let caller = &visit.operator.caller;
        let id = connection_id(form.text("connection_id"))?;
        let connection = self.connection_on(visit, id.as_str()).await?;
        let confirmation = form.secret("confirmation").unwrap_or_default();
        self.confirm(caller, &id, &confirmation, &connection.user).await?;
        go_on(&format!("/portal/connections/{id}"), Notice::Connected)
    }

    /// The operator sees that somebody else has signed in: the tokens are erased, as when an application says so.
    pub(super) async fn refuse_connecting(
        &self,
        visit: &Visit<'_>,
        form: &Form,
    ) -> Result<Response<Body>, Problem> {
        let id = form.text("connection_id");
        let connection = self.connection_on(visit, id).await?;
        // Only the sign-in that the page was about, and only what was really erased is said to be.
        let confirmation = form.secret("confirmation").unwrap_or_default();
        let pending = connection.pending.as_ref();
        let is_meant = pending.is_some_and(|pending| pending.confirmation.matches(&confirmation));
        if !is_meant || !self.connections.erase_pending(&connection, self.clock.now()).await? {
            return Err(Problem::new(Code::ConfirmationInvalid));
        }
        go_on("/portal/connections", Notice::Refused)
    }
}
