//! The entries of the long form of an integration survive the end of a session: registering an app in Entra can take
//! longer than a session lasts. They are carried through the sign-in and shown again, except secrets.
//!
//! ```text
//!  form ──> no session ──> sign-in page, with the fields hidden in it ──> signed in: the new session has them as a draft
//!                                                            form?draft=1 <── 303 ──┘
//! ```
//!
//! Nothing is stored before the sign-in.

use edge::csrf;
use secrecy::SecretString;
use vault::sessions::Draft;

use super::form::Form;
use super::visit::Visit;

/// The query of a page whose form shows the draft. Without it, the form is empty or as stored.
const DRAFT: &str = "draft=1";

/// The fields of a form that survive a new sign-in, without secrets; often none.
#[derive(Default)]
pub(super) struct KeptFields(Vec<(String, String)>);

impl KeptFields {
    /// Takes the fields of a form sent to `path`. Only of a form rendered in `session` (expired, but the browser still
    /// has its cookie), so that nobody else can prefill it.
    pub(super) fn of(form: &Form, path: &str, session: Option<&SecretString>) -> Self {
        let is_ours = session.is_some_and(|session| csrf::is_token_of(form.text("csrf"), session));
        if !is_ours || !is_of_long_form(path) {
            return Self::default();
        }
        let fields = form.without_secrets().filter(|(name, _)| *name != "next");
        Self(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Returns whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns names and values.
    pub(super) fn fields(&self) -> &[(String, String)] {
        &self.0
    }

    /// Returns the draft for the next session, or `None` if there are no fields.
    pub(super) fn draft(&self, path: &str) -> Option<Draft> {
        if self.is_empty() {
            return None;
        }
        let fields = Form::encoded(&self.0);
        Some(Draft { path: path.to_owned(), fields })
    }
}

/// Returns the address of the page that shows a draft.
pub(super) fn page_of(draft: &Draft) -> String {
    format!("{}?{DRAFT}", draft.path)
}

impl Visit<'_> {
    /// Returns the fields that the page shows again, or `None` if it is not the draft's page.
    pub(super) fn draft(&self) -> Option<Form> {
        let uri = self.request.uri();
        let draft = self.operator.draft.as_ref()?;
        (uri.query() == Some(DRAFT) && uri.path() == draft.path)
            .then(|| Form::parsed(draft.fields.as_bytes()))
    }

    /// Drops the operator's draft, after a form was saved.
    pub(super) async fn drop_draft(&self) {
        if self.operator.draft.is_none() {
            return;
        }
        if let Err(error) = self.sessions.drop_draft(&self.operator.session).await {
            tracing::warn!("a saved form is still shown as a draft: {error}");
        }
    }
}

/// Returns whether the form at this path takes long enough to fill in.
fn is_of_long_form(path: &str) -> bool {
    match path.strip_prefix("/portal/integrations/").map(|rest| rest.split_once('/')) {
        Some(None) => path == "/portal/integrations/new",
        Some(Some((_, page))) => page == "edit",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_long_forms_survive_a_sign_in() {
        for long in ["/portal/integrations/new", "/portal/integrations/azure-devops/edit"] {
            assert!(is_of_long_form(long), "{long}");
        }
        for other in [
            "/portal/api-keys",
            "/portal/integrations",
            "/portal/integrations/",
            "/portal/integrations/azure-devops",
            "/portal/integrations/azure-devops/delete",
            "/portal/integrations/a/b/edit",
            "/portal/integrations/new?x=1",
            "//evil.example/portal/integrations/new",
        ] {
            assert!(!is_of_long_form(other), "{other}");
        }
    }
}
