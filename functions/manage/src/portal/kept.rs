//! What was entered in the long form of an integration while the session ended: registering an app in Entra can take
//! longer than a session lasts. It is carried through signing in and shown again, but for secrets; nothing is stored.
//!
//! ```text
//!  form ──> no session ──> sign-in page, with the fields hidden in it ──> signed in: the form as it was, to be sent again
//! ```

use edge::problem::{Code, Problem};
use http::Response;
use lambda_http::Body;
use secrecy::SecretString;

use super::Visit;
use super::form::Form;
use super::frame::refused;
use super::session::is_of_session;
use crate::Manage;

/// The forms that it is worth it for, by their addresses.
enum LongForm<'a> {
    New,
    Edit(&'a str),
}

impl<'a> LongForm<'a> {
    fn at(address: &'a str) -> Option<Self> {
        match address.strip_prefix("/portal/integrations/")?.split_once('/') {
            None => (address == "/portal/integrations/new").then_some(Self::New),
            Some((id, "edit")) => Some(Self::Edit(id)),
            Some(_) => None,
        }
    }
}

/// The fields of a form, without secrets; often none.
#[derive(Default)]
pub(super) struct Kept(Vec<(String, String)>);

impl Kept {
    /// What of a form to `address` is kept: something only if it came from a page of `session`, the session of which the
    /// browser has the cookie still, so that nobody else fills in what an operator saves.
    pub(super) fn of(form: &Form, address: &str, session: Option<&SecretString>) -> Self {
        let is_ours = session.is_some_and(|session| is_of_session(form, session));
        if !is_ours || LongForm::at(address).is_none() {
            return Self::default();
        }
        let fields = form.without_secrets().filter(|(name, _)| !matches!(*name, "key" | "next"));
        Self(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub(super) fn fields(&self) -> &[(String, String)] {
        &self.0
    }
}

impl Manage {
    /// The form at `address` again, as it was sent before the session ended.
    pub(super) async fn taken_up(
        &self,
        visit: &Visit<'_>,
        address: &str,
        form: &Form,
    ) -> Result<Response<Body>, Problem> {
        let shown = match LongForm::at(address) {
            Some(LongForm::New) => self.interrupted_form(visit, None, form).await,
            Some(LongForm::Edit(id)) => self.interrupted_form(visit, Some(id), form).await,
            None => Err(Problem::new(Code::NotFound)),
        };
        shown.or_else(|problem| refused(visit, &problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_long_forms_are_kept() {
        assert!(matches!(LongForm::at("/portal/integrations/new"), Some(LongForm::New)));
        assert!(matches!(
            LongForm::at("/portal/integrations/azure-devops/edit"),
            Some(LongForm::Edit("azure-devops"))
        ));
        for other in [
            "/portal/api-keys",
            "/portal/integrations",
            "/portal/integrations/",
            "/portal/integrations/azure-devops",
            "/portal/integrations/azure-devops/delete",
            "/portal/integrations/a/b/edit",
            "/portal/integrations/new?x=1",
        ] {
            assert!(LongForm::at(other).is_none(), "{other}");
        }
    }
}
